"""Random paths through nginx to FastAPI: whatever nginx lets through as Alice's must be Alice's to FastAPI.

The same paths without the rule, `jwt_user_scope_path off`, must reach Bob's: else this test could not fail.
"""

import random
import re
from collections import defaultdict
from pathlib import Path

from cases import World
from client import Server
from stack import HERE, Stack, answers, filled_in

SEED = 5
PATHS = 4000

# What some backend splits at, cuts at, resolves or decodes, and what all of them take as it is.
PIECES = r"""
    / / / / x y api users files me files/x . .. ... /. /.. // /../ /./ %2e %2E%2e /%2e%2e/ %2e%2e%2f ..%2f ..%5c /..;/
    %2f %2F \ %5c ; %3b ;x=y # %23 ? %3f % %25 %252e %252f %25252e %41 %7E %00 %0a %0d%0a %09 %7f %20 + %2B @ : ~ & = ,
    %c3%a9 %ff %c0%ae %e2%82%ac %F0%9F%98%80 $ ! ( ) * '
""".split()
# Each takes a path from one user to another, in the eyes of somebody.
STEPS = ["/../{}/files/", "/../../{}/files/", "/%2e%2e/{}/files", "/..%2f..%2f{}/files/x", "/..;/{}/", "/..\\{}/files",
         "//../{}", "/%252e%252e/{}/files/x"]


def walk(stack: Stack, world: World) -> list[str]:
    """What is wrong, in words."""
    strict, off = start(stack)
    chance = random.Random(SEED)
    paths = [random_path(chance, world) for _ in range(PATHS)]
    readings = {name: ask(server, paths, world) for name, server in (("strict", strict), ("off", off))}
    return wrong_in(readings["strict"], readings["off"], world) + crashes(stack.directory / "paths")


def start(stack: Stack) -> tuple[Server, Server]:
    """An nginx of its own, with the rule and without it, before a FastAPI that takes any path."""
    directory = stack.directory / "paths"
    directory.mkdir()
    strict, off = Server(directory / "strict.sock"), Server(directory / "off.sock")
    configuration = filled_in(
        (HERE / "paths.conf").read_text(),
        MODULE=f'"{stack.module}"',
        USER=stack.worker_user(),
        FASTAPI=str(stack.python_server("catch_all", {}).at),
        STRICT=str(strict.at),
        OFF=str(off.at),
    )
    (directory / "nginx.conf").write_text(configuration)
    command = [stack.nginx, "-p", directory, "-c", "nginx.conf", "-e", "error.log"]
    process = stack.spawn("paths", command, stack.shared_secret())
    stack.wait_for("paths", process, lambda: answers(strict) and answers(off))
    return strict, off


def random_path(chance: random.Random, world: World) -> str:
    """A file of Alice's or Bob's, with pieces behind its path, and sometimes in it."""
    users = [world.alice.id, world.bob.id]
    parts = ["/", "api", "/", "users", "/", chance.choice(users), "/", "files", "/", "x"]
    for _ in range(chance.randrange(6)):
        piece = chance.choice(STEPS).format(chance.choice(users)) if chance.random() < 0.25 else chance.choice(PIECES)
        parts.insert(chance.randint(1, len(parts)) if chance.random() < 0.3 else len(parts), piece)
    return "".join(parts)


def ask(server: Server, paths: list[str], world: World) -> dict[str | None, list[str]]:
    """With Alice's token: the paths that were let through, by the user that FastAPI read, and the others under "refused"."""
    found = defaultdict(list)
    headers = [("Authorization", f"Bearer {world.alice.token}")]
    for path in paths:
        answer = server.send("GET", path, headers)
        found[answer.json()["user_id"] if answer.status == 200 else "refused"].append(path)
    return found


def wrong_in(strict: dict, off: dict, world: World) -> list[str]:
    wrong = [f"read as {user}: {path}" for user in strict.keys() - {world.alice.id, "refused"} for path in strict[user]]
    # Otherwise the paths would have shown nothing.
    for what, count in (
        ("were let through", len(strict[world.alice.id])),
        ("were refused", len(strict["refused"])),
        ("are refused by the rule alone", len(strict["refused"]) - len(off["refused"])),
    ):
        if count < PATHS // 20:
            wrong.append(f"only {count} of {PATHS} paths {what}")
    if not off[world.bob.id]:
        wrong.append(f"none of {PATHS} paths is read as the other user's without the rule")
    return wrong


def crashes(directory: Path) -> list[str]:
    log = (directory / "error.log").read_text("latin-1")
    return [line for line in log.splitlines() if re.search(r"\[(alert|crit|emerg)\]|exited on signal", line)]
