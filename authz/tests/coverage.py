"""Which parts of the core do its tests reach?   usage: coverage.py EXPORT   (what `cargo llvm-cov --json` wrote)

A part is a region as the compiler counts them: each branch is one, and so is each `?` that returns early. Tests
themselves do not count. A part that is not reached must be listed in unreached.txt, with the reason why nothing can
reach it; what is listed and reached after all must leave the list.
"""

import collections
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
SOURCES = HERE.parent / "src"
CODE = 0  # LLVM's CounterMappingRegion::CodeRegion


def regions(export):
    """How often each region of the core ran, in whichever instance of a generic function, by the function's place."""
    functions = collections.defaultdict(collections.Counter)
    for function in export["data"][0]["functions"]:
        code = [region for region in function["regions"] if region[7] == CODE]
        path = pathlib.Path(function["filenames"][code[0][5]])
        if path.is_relative_to(SOURCES) and path.name != "tests.rs":
            for line, column, end_line, end_column, count, *_ in code:
                functions[path, code[0][0], code[0][1]][line, column, end_line, end_column] += count
    return functions


def main(export):
    lines = {path: path.read_text().splitlines() for path in SOURCES.glob("**/*.rs")}
    tests = {path: text.index("#[cfg(test)]") + 1 for path, text in lines.items() if "#[cfg(test)]" in text}
    by_file, unreached = {}, collections.Counter()
    for (path, line, _), counts in sorted(regions(export).items()):
        if line >= tests.get(path, sys.maxsize):
            continue
        reached, total = by_file.get(path.name, (0, 0))
        by_file[path.name] = reached + sum(count > 0 for count in counts.values()), total + len(counts)
        # Of a function that never runs, the first line stands for all.
        places = [place[0] for place, count in counts.items() if not count] if any(counts.values()) else [line]
        unreached.update(f"{path.name}: {lines[path][place - 1].strip()}" for place in places)
    for name, (reached, total) in by_file.items():
        print(f"{name:16} {reached:5} of {total:5} {reached / total:8.2%}")
    reached, total = map(sum, zip(*by_file.values()))
    print(f"{'the core':16} {reached:5} of {total:5} {reached / total:8.2%}")

    entries = (HERE / "unreached.txt").read_text().splitlines()
    listed = collections.Counter(line for line in entries if line and not line.startswith("#"))
    for entry in (unreached - listed).elements():
        print(f"not reached, and not listed: {entry}", file=sys.stderr)
    for entry in (listed - unreached).elements():
        print(f"reached, to be taken off the list: {entry}", file=sys.stderr)
    if unreached != listed:
        sys.exit("\nerror: authz/tests/unreached.txt has to agree")
    print(f"== every part is reached, but for {total - reached} in authz/tests/unreached.txt, which nothing can reach")


main(json.loads(pathlib.Path(sys.argv[1]).read_text()))
