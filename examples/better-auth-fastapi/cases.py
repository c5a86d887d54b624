"""What a case is: a request, what nginx must decide on it, and what the reference must."""

import hashlib
import time
from dataclasses import dataclass, field
from typing import NamedTuple

from tokens import claims_of, sign
from users import User


class Decision(NamedTuple):
    status: int
    detail: str | None = None


OK = Decision(200)
NOT_AUTHENTICATED = Decision(401, "Not authenticated")
EXPIRED = Decision(401, "Token expired")
INVALID = Decision(401, "Invalid token")
FORBIDDEN = Decision(403, "Forbidden")
BAD_PATH = Decision(400, "Bad request path")
NOT_FOUND = Decision(404, "Not Found")

# Result words of nginx, as $jwt_user_scope_result has them, and the answers they stand for.
ANSWERS = {
    "ok": OK,
    "missing_token": NOT_AUTHENTICATED,
    "expired": EXPIRED,
    "malformed_token": INVALID,
    "unsupported_algorithm": INVALID,
    "bad_signature": INVALID,
    "not_yet_valid": INVALID,
    "bad_claim": INVALID,
    "user_mismatch": FORBIDDEN,
    "ambiguous_path": BAD_PATH,
    "": Decision(400),  # nginx's own: no decision was made
}


@dataclass(frozen=True)
class Case:
    """One line of the test's output. Every one of `headers`, the variants, must be decided alike."""

    name: str
    word: str  # nginx's result; several, with | between, where the contract leaves it open
    headers: list[list[bytes]]  # for each variant the values of its Authorization lines
    path: str
    body: dict | None = None  # with one, the request is a POST
    prefix: str = ""  # of the reference's path
    reference: Decision | None = None  # only where it differs from nginx's
    why: str = ""

    @property
    def words(self) -> list[str]:
        return self.word.split("|")

    @property
    def method(self) -> str:
        return "GET" if self.body is None else "POST"

    @property
    def nginx(self) -> Decision:
        return ANSWERS[self.words[0]]

    @property
    def expected_of_reference(self) -> Decision:
        return self.reference or self.nginx


@dataclass(frozen=True)
class World:
    """Two users with their real tokens, and the secret, with which to sign what Better Auth would not."""

    alice: User
    bob: User
    secret: str
    now: int = field(default_factory=lambda: int(time.time()))

    def path(self, tail: str = "/profile", user: str | None = None) -> str:
        return f"/api/users/{user or self.alice.id}{tail}"

    def claims(self, *without: str, **changed) -> dict:
        """The claims of Alice's real token, some changed or left out."""
        claims = claims_of(self.alice.token) | changed
        return {name: value for name, value in claims.items() if name not in without}

    def signed(self, *without: str, **changed) -> str:
        return sign(self.claims(*without, **changed), self.secret)

    def under(self, header: dict | bytes, digest=hashlib.sha256) -> str:
        return sign(self.claims(), self.secret, header, digest)

    def case(self, name: str, word: str, *tokens: str, **more) -> Case:
        """A case whose variants carry these tokens as Bearer tokens; the path is Alice's profile unless given."""
        return Case(name, word, **({"path": self.path()} | more), headers=[[bearer(token)] for token in tokens])

    def form(self, name: str, word: str, *values: bytes | str, **more) -> Case:
        """A case whose variants have these Authorization headers."""
        lines = [[value if isinstance(value, bytes) else value.encode()] for value in values]
        return Case(name, word, lines, **({"path": self.path()} | more))


def bearer(token: str) -> bytes:
    return b"Bearer " + token.encode()
