"""The tables of docs/performance.md, as Markdown."""

from statistics import median

from figures import ALGORITHMS, FETCHED, Figure, Result, plain

# What the project has set out to reach; a share is of what the request costs without the module.
NEW, SEEN, REFUSED, BEYOND_NS, SCALING = 0.14, 0.06, 0.10, 1000, 1.8
# How the groups of each load end in their names: at a pace, and with as many requests as can be had.
LOADS = (", at a pace", "")
REFUSALS = (
    ("none", "no token"),
    ("expired", "expired"),
    ("other-user", "another user's token"),
    ("bad-signature", "bad signature"),
)


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def about(result: Result) -> str:
    facts, versions = result.facts, result.facts["versions"]
    names = [f"{name} {versions[name]}" for name in ("nginx", "module", "aws-lc-rs", "njs", "fastapi", "uvicorn", "uvloop", "httptools", "PyJWT") if name in versions]
    rows = [
        ["measured", f"{facts['date']}, at commit `{facts['commit']}`"],
        ["command", f"`{facts['command']}` (seed {facts['seed']}; {facts['minutes']} minutes)"],
        ["processor", f"{facts['cpu']}, {facts['cores']} cores; load before the run {facts['load'][0]}"],
        ["versions", ", ".join([*names, f"Python {versions['python']}", f"Linux {facts['kernel']}"])],
        ["proof", f"{facts['proof']} answers looked at before the first round: every check was on"],
    ]
    return table(["", ""], rows)


def added(result: Result) -> str:
    """The table of the field: what each way to check a token adds to a request."""
    rows = [["**this module**, token new"] + [new(result, algorithm) for algorithm in ALGORITHMS] + [refused(result, "ours HS256")]]
    seen = [result.added(f"{algorithm} repeated", f"ours {algorithm}").microseconds() for algorithm in ALGORITHMS]
    if result.cache:
        rows.append(["**this module**, token seen before", *seen, ""])
        if result.has("EdDSA repeated", FETCHED):
            fetched = result.added("EdDSA repeated", FETCHED).microseconds()
            rows.append(["this module, token seen before, of a key set that was fetched", *[""] * 4, fetched, ""])
        off = [result.added(f"{algorithm} repeated, cache off", f"ours {algorithm}, cache off").microseconds() for algorithm in ALGORITHMS]
        rows.append(["this module, token seen before, `jwt_user_scope_cache off`", *off, ""])
    else:
        rows.append(["**this module**, token repeated (nothing is remembered)", *seen, ""])
    for side in ("njs, js_set", "njs, auth_request"):
        if result.has("HS256 new", side):
            figure = result.added("HS256 new", side).microseconds()
            rows.append([f"{side.replace('js_set', '`js_set`').replace('auth_request', '`auth_request`')}", figure, *[""] * 4, refused(result, side)])
    if result.has("check by FastAPI, repeated", "auth_request"):
        good, bad = (result.added(f"check by FastAPI, {kind}", "auth_request").microseconds() for kind in ("repeated", "bad-signature"))
        rows.append(["`auth_request` to FastAPI + PyJWT", good, *[""] * 4, bad])
        good, bad = (result.added(f"FastAPI alone, {kind}", "FastAPI, dependency").microseconds() for kind in ("repeated", "bad-signature"))
        rows.append(["FastAPI dependency, no nginx", good, *[""] * 4, bad])
    rows.append(["the signature check alone, in nginx", *[result.arithmetic(algorithm).microseconds() for algorithm in ALGORITHMS], ""])
    rows.append(["the signature check alone, in a loop", *[result.arithmetic_in_loop(algorithm).microseconds() for algorithm in ALGORITHMS], ""])
    return table(["adds, in microseconds of CPU", *ALGORITHMS, "HS256 refused"], rows)


def new(result: Result, algorithm: str) -> str:
    return result.added(f"{algorithm} new", f"ours {algorithm}").microseconds()


def refused(result: Result, side: str) -> str:
    return result.added("HS256 bad-signature", side).microseconds()


def aims(result: Result) -> str:
    rows = []

    def aim(what: str, limit: str, *cells: tuple[str, bool] | None) -> None:
        """A cell for each load: the figure, and whether the aim is met."""
        told = [[cell[0], "yes" if cell[1] else "**no**"] if cell else ["", ""] for cell in cells]
        rows.append([what, limit, *[word for words in told for word in words]])

    def base(what: str, group: str) -> None:
        costs = [result.cpu(f"{group}{load}", result.base(group)).microseconds() if f"{group}{load}" in result.groups else "" for load in LOADS]
        rows.append([what, "", f"{costs[0]} us" if costs[0] else "", "", f"{costs[1]} us", ""])

    def aim_at_share(what: str, limit: float, group: str, side: str, spares: bool = False) -> None:
        def cell(load: str) -> tuple[str, bool] | None:
            name = f"{group}{load}"
            if not result.has(name, side):
                return None
            aside = result.arithmetic("HS256", load) if spares else None
            share = result.share(name, side, aside)
            more = median(more for more, _ in result.beside(name, side, aside))
            return f"{share.percent()}; {plain(more / 1e3)} us", share.value <= limit

        aim(what, f"{limit:.0%}", *map(cell, LOADS))

    base("a bare request", "HS256 new")
    aim_at_share("HS256, every token new, of a bare request", NEW, "HS256 new", "ours HS256")
    if result.cache:
        for algorithm in ALGORITHMS:
            what = f"{algorithm}, token seen before, of a bare request"
            aim_at_share(what, SEEN, f"{algorithm} repeated", f"ours {algorithm}")
        if result.has("EdDSA repeated", FETCHED):
            aim_at_share("EdDSA, token seen before, of a fetched key set, of a bare request", SEEN, "EdDSA repeated", FETCHED)
    base("nginx's own 403", "HS256 other-user")
    for kind, text in REFUSALS:
        what = f"refusal, {text}, over nginx's own 403, arithmetic aside"
        aim_at_share(what, REFUSED, f"HS256 {kind}", "ours HS256", spares=kind != "none")
    for algorithm in ("RS256", "ES256", "EdDSA"):
        beyond = result.beyond_arithmetic(f"{algorithm} new", f"ours {algorithm}", algorithm)
        what = f"{algorithm}, token new, beyond the arithmetic"
        aim(what, f"{BEYOND_NS / 1e3:.0f} us", None, (f"{beyond.microseconds()} us", beyond.value <= BEYOND_NS))
    if "scaling" in result.facts:
        for case in result.facts["scaling"]:
            factor = gain(result, case)
            what = f"throughput of two workers on two cores over one on one: {case}"
            aim(what, f"{SCALING}", None, (factor.factor(), factor.value >= SCALING))
    return table(["", "aim, at most (scaling: at least)", "at a pace", "met", "at the limit, on one core", "met"], rows)


def gain(result: Result, case: str) -> Figure:
    one, two = ([sample["per_second"] for sample in result.facts["scaling"][case][workers]] for workers in "12")
    return Figure.of([both / alone for alone, both in zip(one, two)])


def capacity(result: Result, case: str) -> float:
    """What two pairs could do over one, by the processor time that worker and client take: the cores need not be idle
    otherwise for that."""
    one, two = (result.scaling(case, workers, "cpu_ns") + result.scaling(case, workers, "client_ns") for workers in (1, 2))
    return 2 * one / two


def presence(result: Result) -> str:
    names = {
        "bare": "nginx without the module",
        "elsewhere": "module loaded, location without a directive",
        "off": "module loaded, `jwt_user_scope off`",
        "ours HS256": "`jwt_user_scope on`, HS256, one token",
    }
    group = "HS256 repeated"
    rows = []
    for side, text in names.items():
        share = "" if side == "bare" else result.share(group, side).percent()
        rows.append([text, result.cpu(group, side).microseconds(), share])
    return table(["static file", "CPU per request, us", "over bare nginx"], rows)


def refusals(result: Result) -> str:
    rows = []
    for kind, text in REFUSALS:
        group = f"HS256 {kind}"
        sides = [side for side in ("denied", "ours HS256", "njs, js_set", "njs, auth_request") if result.has(group, side)]
        shown = [result.cpu(group, side).microseconds() for side in sides]
        rows.append([text, *shown, *[""] * (4 - len(sides)), result.share(group, "ours HS256").percent()])
    return table(["HS256, CPU per refusal, us", "`deny all`", "this module", "njs, `js_set`", "njs, `auth_request`", "module over `deny all`"], rows)


def throughput(result: Result) -> str:
    rows = []
    for group, side, text in (
        ("HS256 new", "bare", "nginx without a check"),
        ("HS256 repeated", "ours HS256", "module, HS256, one token"),
        ("HS256 new", "ours HS256", "module, HS256, tokens new"),
        ("EdDSA repeated", "ours EdDSA", "module, EdDSA, one token"),
        ("EdDSA new", "ours EdDSA", "module, EdDSA, tokens new"),
        ("HS256 new", "njs, js_set", "njs, HS256, tokens new"),
        ("check by FastAPI, repeated", "auth_request", "`auth_request` to FastAPI, HS256"),
    ):
        if result.has(group, side):
            rows.append([text, f"{result.per_second(group, side):,.0f}", *percentiles(result, group, side)])
    return table(["static file", "requests/s", "p50, us", "p90", "p99", "p99.9"], rows)


def percentiles(result: Result, group: str, side: str) -> list[str]:
    return [plain(result.latency(group, side, percentile)) for percentile in ("p50", "p90", "p99", "p999")]


def latency(result: Result) -> str:
    rows = []
    for group, side, text in (
        ("HS256 new, paced", "bare", "static file, no check"),
        ("HS256 new, paced", "ours HS256", "static file, module, HS256, tokens new"),
        ("EdDSA new, paced", "ours EdDSA", "static file, module, EdDSA, tokens new"),
        ("HS256 new, paced", "njs, js_set", "static file, njs, HS256, tokens new"),
        ("before FastAPI, paced", "proxy", "FastAPI, no check"),
        ("before FastAPI, paced", "proxy, ours", "FastAPI, module, HS256"),
        ("before FastAPI, paced", "proxy, dependency", "FastAPI with the dependency, HS256"),
        ("before FastAPI, paced", "proxy, auth_request", "FastAPI, `auth_request` to FastAPI, HS256"),
    ):
        if result.has(group, side):
            rows.append([text, f"{result.groups[group]['rate']:,}", *percentiles(result, group, side)])
    return table(["", "requests/s", "p50, us", "p90", "p99", "p99.9"], rows)


def backend(result: Result) -> str:
    rows = []
    for side, text in (
        ("proxy", "nginx, FastAPI without a check"),
        ("proxy, ours", "nginx **with this module**, FastAPI without a check"),
        ("proxy, dependency", "nginx, FastAPI with the dependency"),
        ("proxy, auth_request", "nginx with `auth_request` to FastAPI, FastAPI without a check"),
    ):
        good, bad = "before FastAPI, repeated", "before FastAPI, bad-signature"
        if result.has(good, side):
            refusal = "(let through)" if side == "proxy" else result.cpu(bad, side).microseconds()
            rows.append([text, result.cpu(good, side).microseconds(), refusal, f"{result.per_second(good, side):,.0f}"])
    return table(["HS256", "CPU per good request, us", "per forged one", "good requests/s"], rows) if rows else "Not measured.\n"


def flood(result: Result) -> str:
    rows = []
    for algorithm in ALGORITHMS:
        group = f"{algorithm} bad-signature"
        for side in (f"ours {algorithm}", f"ours {algorithm}, limit_req"):
            if result.has(group, side):
                statuses = ", ".join(f"{count:,} of {status}" for status, count in sorted(result.statuses(group, side).items()))
                rows.append([side.removeprefix("ours "), result.cpu(group, "denied").microseconds(), result.cpu(group, side).microseconds(), statuses])
    return table(["forged tokens", "CPU per request of nginx's `deny all`, us", "of this module", "answers"], rows)


def scaling(result: Result) -> str:
    # Earlier results do not tell for how long both were at work.
    tells = any("overlap" in sample for case in result.facts.get("scaling", {}).values() for sample in case["2"])
    rows = []
    for case in result.facts.get("scaling", {}):
        times = [plain(result.scaling(case, workers, "cpu_ns") / 1e3) for workers in (1, 2)]
        rates = [f"{result.scaling(case, workers, 'per_second'):,.0f}" for workers in (1, 2)]
        both = [f"{min(sample['overlap'] for sample in result.facts['scaling'][case]['2']):.0%}"] if tells else []
        rows.append([case, *rates, gain(result, case).factor(), *times, f"{capacity(result, case):.2f}", *both])
    head = ["", "requests/s, one core", "two cores", "gain", "CPU of a worker per request, one core, us", "two cores", "gain by CPU"]
    head += ["both at work, at least"] if tells else []
    return table(head, rows) if rows else "Not measured.\n"


def memory(memory: dict | None) -> str:
    if not memory:
        return "Not measured.\n"
    rows = [
        ["measured", f"{memory['date']}, at commit `{memory['commit']}`"],
        ["command", f"`{memory['command']}`"],
        ["after a tenth of the requests", f"{memory['settled_kb']:,} kB of the worker's own memory (RssAnon)"],
        [f"after {memory['requests']:,} requests, each with a new HS256 token", f"{memory['growth_kb']:+,} kB"],
    ]
    if "entry_bytes" in memory:
        rows.append([f"one remembered token of {memory['token_bytes']} bytes", f"{memory['entry_bytes']:,.0f} bytes, with {memory['entries']:,} of them"])
    return table(["", ""], rows)


def sizes(memory: dict | None) -> str:
    if not memory or not memory.get("sizes"):
        return "Not measured.\n"
    in_use = list(memory["sizes"][0]["shares"])
    rows = [
        [f"`max={size['max']}`", f"{size['kb']:,} kB", *[f"{size['shares'][tokens]:.0%}" for tokens in in_use]]
        for size in memory["sizes"]
    ]
    return table(["", "a full one takes", *[f"{int(tokens):,} tokens in use" for tokens in in_use]], rows)


RESULT_TABLES = {
    "about": about,
    "added": added,
    "aims": aims,
    "presence": presence,
    "refusals": refusals,
    "throughput": throughput,
    "latency": latency,
    "backend": backend,
    "flood": flood,
    "scaling": scaling,
}


def all_tables(result: Result, of_memory: dict | None) -> dict[str, str]:
    return {name: make(result) for name, make in RESULT_TABLES.items()} | {"memory": memory(of_memory), "sizes": sizes(of_memory)}
