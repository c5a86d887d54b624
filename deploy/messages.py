"""Compares the tables of log lines in docs/operating.md with the messages in the source: all of them, and no others."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "operating.md"
HEADING = "## What each log line means"
SOURCES = [source for part in ("src", "directives/src", "authz/src") for source in (ROOT / part).rglob("*.rs")]
# Files whose texts do not reach a log: answers to clients, a parser whose errors stay within the core, a name, and
# faults that only tests ask for.
SILENT = {"src/response.rs", "authz/src/json.rs", "src/ffi/failure.rs", "authz/src/faults.rs"}
# Here, only what begins like a line of the log is one; the rest is the page for Prometheus.
PAGE = "src/status.rs"
# Texts that are no messages: kinds of PEM blocks, a name, help for Prometheus, and a message to the programmer.
NO_MESSAGES = {"PRIVATE KEY", "PUBLIC KEY", "RSA PUBLIC KEY", "jwt_user_scope ...?... ...", "only hashes are hashed"}

TOKENS = re.compile(
    r"""//[^\n]*|/\*.*?\*/|b?'(?:\\.[^']*|[^'\\])'|(?P<raw>b?r(?P<h>\#*)".*?"(?P=h))|(?P<c>b|c)?"(?P<text>(?:\\.|[^"\\])*)\"""",
    re.S,
)


def literals(source):
    """The texts of a file, tests left out, as they are logged, with "..." for what is filled in."""
    for match in TOKENS.finditer(source.split("#[cfg(test)]")[0]):
        if match["text"] is None or match["c"]:
            continue
        text = re.sub(r"\\\n\s*", "", match["text"])
        text = text.replace('\\"', '"').replace("\\\\", "\\")
        yield re.sub(r"\{[^{}]*\}", "...", text)


def messages():
    for source in SOURCES:
        name = str(source.relative_to(ROOT))
        if name in SILENT or "tests" in name:
            continue
        for text in literals(source.read_text()):
            is_page = name == PAGE and not text.startswith("jwt_user_scope: ")
            if " " in text.strip() and not is_page and text not in NO_MESSAGES:
                yield text, name


def documented():
    """What stands in back quotes: all of it, and that of the first columns of tables, which are messages only."""
    section = DOCUMENT.read_text().split(f"\n{HEADING}\n")[1].split("\n## ")[0]
    rows = [re.split(r"(?<!\\)\|", line) for line in section.splitlines()]
    return spans(section), spans("\n".join(cells[1] for cells in rows if cells[0] == "" and len(cells) > 2))


def spans(text):
    return {span.replace("\\|", "|") for span in re.findall(r"`([^`\n]+)`", text)}


def main():
    source = dict(messages())
    told, rows = documented()
    missing = [f"{DOCUMENT.name} does not explain a message of {source[text]}: {text}" for text in source.keys() - told]
    other = [f"{DOCUMENT.name} explains what nothing says: {text}" for text in rows - source.keys()]
    for line in sorted(missing + other):
        print(line)
    if not source:
        sys.exit("no message found: this script no longer understands the code")
    if missing or other:
        sys.exit(1)
    print(f"{DOCUMENT.name} explains all {len(source)} messages of the source, and no others")


main()
