"""That every side checks what it is said to check, before it is measured: one request of each kind, looked at one by one.

They are sent with Python's own client, so that the proof does not hang on the load generator.
"""

import http.client
import re

from groups import PATH, Stack, expected, groups, ours
from servers import MODULE, USER, Failure, Nginx, Room, Server

STATUS = "\n        location = /status { jwt_user_scope_status; }"


def answer(server: Server, target: str, headers: dict[str, str]) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", target.replace("{user}", USER), headers=headers)
    response = connection.getresponse()
    found = response.status, response.read().decode()
    connection.close()
    return found


class Asker:
    """Asks for the user's file with a token of a kind."""

    def __init__(self, room: Room):
        self.room = room
        self.tokens: dict[tuple[str, str], str] = {}

    def __call__(self, server: Server, algorithm: str, kind: str) -> int:
        headers = {}
        if kind != "none":
            if (algorithm, kind) not in self.tokens:
                self.tokens[algorithm, kind] = self.room.token(algorithm, kind)
            headers["Authorization"] = f"Bearer {self.tokens[algorithm, kind]}"
        return answer(server, PATH, headers)[0]


def kinds(side: str) -> tuple[str, ...]:
    """The requests that tell whether a side checks what it is said to check."""
    # It looks at the signature, and at nothing else.
    if side.startswith(("plain ", "check ")):
        return ("repeated", "bad-signature")
    return ("repeated", "bad-signature", "other-user", "expired", "none")


def prove_side(ask: Asker, server: Server, side: str, algorithm: str) -> int:
    """Sends a side what must pass and what must not, and refuses to go on where one is not answered as it must be. Returns
    how many answers were looked at."""
    for kind in kinds(side):
        status = ask(server, algorithm, kind)
        if status not in expected(side, kind):
            raise Failure(f"{side} answers {status} to {algorithm} {kind}, not {expected(side, kind)}")
    return len(kinds(side))


def prove(stack: Stack, ask: Asker) -> int:
    """The same of every side of every group."""
    return sum(prove_side(ask, stack.sides[side], side, group.algorithm) for group in groups(stack) for side in group.sides)


def hits(server: Server) -> int:
    """How many requests found their token remembered, as the module counts them."""
    counted = re.findall(r"^jwt_user_scope_cache_hits_total\{.*\} (\d+)$", answer(server, "/status", {})[1], re.M)
    return sum(map(int, counted))


def prove_cache(room: Room, ask: Asker) -> int:
    """That a token is remembered where the cache is as it comes, and is not where it is off."""
    for name, more, wanted in (("remembering", "", 2), ("forgetful", "jwt_user_scope_cache off;", 0)):
        nginx = Nginx(room, name, (MODULE,))
        server = nginx.start({name: ours(room, "HS256", more) + STATUS})[name]
        answers = [ask(server, "HS256", "repeated") for _ in range(3)]
        found = hits(server)
        nginx.stop()
        if (answers, found) != ([200] * 3, wanted):
            raise Failure(f"of three requests with one token, {found} found it remembered, not {wanted}: {answers}")
    return 6
