"""Every deliberate difference, with its reason and a token that shows it. There are no others."""

from collections.abc import Callable
from dataclasses import dataclass, field

from keys import Key
from making import CLAIMS, FAR, HEADER, PAST, Token, encode, header_text, signed, signed_segments, with_member, written
from reading import Reading

BOTH = ("PyJWT", "jose")


@dataclass(frozen=True)
class Difference:
    name: str
    reason: str
    who: tuple[str, ...]  # decides otherwise than nginx
    word: str  # nginx's; "ok" where nginx is the one that accepts
    applies: Callable[[Reading], bool]
    shown_by: Callable[[Key], list[str]]  # tokens with nothing else to differ on, one for each of `who` or for all
    algorithm: str = "HS256"
    theirs: tuple[str, ...] = ("user",)  # what the library then says: that the user is the path's, or why it refuses
    seen: dict[str, int] = field(default_factory=dict)

    @property
    def accepts(self) -> bool:
        return self.word == "ok"

    def explains(self, who: str, word: str, theirs: str, reading: Reading) -> bool:
        return who in self.who and (word, theirs in self.theirs) == (self.word, True) and self.applies(reading)


def claims(name: str, value: str | None) -> Callable[[Key], list[str]]:
    return lambda key: [signed(key, HEADER, with_member(CLAIMS, name, value))]


def header(*members: tuple[str, str]) -> Callable[[Key], list[str]]:
    def token(key: Key) -> list[str]:
        changed = HEADER
        for name, value in members:
            changed = with_member(changed, name, value)
        return [signed(key, changed)]
    return token


def payload(change: Callable[[str], str | bytes]) -> Callable[[Key], list[str]]:
    return lambda key: [signed(key, HEADER, change(written(CLAIMS)))]


def inserted(text: str, member: str) -> str:
    return "{%s,%s" % (member, text[1:])


def padded(key: Key) -> list[str]:
    """The payload as base64 is written elsewhere; spaces that JSON does not mind make it end in two signs."""
    payload = encode(written(CLAIMS).encode().ljust(40))
    return [signed_segments(key, encode(header_text(key, HEADER)), payload + "=" * (-len(payload) % 4))]


def is_time(reading: Reading, wanted: Callable[[object], bool]) -> bool:
    return any(wanted(reading.claims.get(name)) for name in ("exp", "nbf", "iat"))


def is_future(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > PAST * 1.5


DIFFERENCES = [
    # nginx refuses.
    Difference(
        "base64url", "RFC 7515 section 2, RFC 4648 section 3: no padding, no white space, no bits left over, so that "
        "a token has one writing",
        BOTH, "malformed_token", lambda reading: not reading.is_strict_base64url, padded,
    ),
    Difference(
        "member twice", "RFC 7515 section 4, RFC 7519 section 4: which of two equal names counts is up to the parser",
        BOTH, "malformed_token", lambda reading: reading.has_twice, payload(lambda text: inserted(text, '"uid":"B"')),
    ),
    Difference(
        "NaN", "RFC 8259 section 6: JSON has no NaN and no Infinity; Python's has",
        ("PyJWT",), "malformed_token", lambda reading: reading.has_nan, payload(lambda text: inserted(text, '"x":NaN')),
    ),
    Difference(
        "not UTF-8", "RFC 8259 section 8.1, RFC 7519 section 7.2: a payload is UTF-8; Python guesses the encoding",
        ("PyJWT",), "malformed_token", lambda reading: reading.is_other_encoding,
        payload(lambda text: text.encode("utf-16")),
    ),
    Difference(
        "byte order mark", "RFC 8259 section 8.1: a text that is sent does not begin with one",
        BOTH, "malformed_token", lambda reading: reading.has_byte_order_mark,
        payload(lambda text: text.encode("utf-8-sig")),
    ),
    Difference(
        "half a character", "RFC 8259 section 8.2: what becomes of a lone surrogate is unpredictable",
        BOTH, "malformed_token", lambda reading: reading.has_lone_surrogate,
        payload(lambda text: inserted(text, r'"x":"\ud800"')),
    ),
    Difference(
        "depth", "RFC 8259 section 9: a parser may limit the depth; 127 levels here",
        BOTH, "malformed_token", lambda reading: reading.depth > 127,
        payload(lambda text: inserted(text, '"x":' + "[" * 130 + "]" * 130)),
    ),
    Difference(
        "crit", "RFC 7515 section 4.1.11: an extension that is not understood is refused; none is understood here",
        BOTH, "malformed_token", lambda reading: "crit" in reading.header, header(("crit", '["b64"]'), ("b64", "true")),
    ),
    Difference(
        "b64", "RFC 7797 section 7: no JWT has b64 false; its payload would not be base64url",
        ("jose",), "malformed_token", lambda reading: reading.header.get("b64") is False, header(("b64", "false")),
    ),
    Difference(
        "kid", "RFC 7515 section 4.1.4: a kid is a string",
        ("jose",), "malformed_token", lambda reading: not isinstance(reading.header.get("kid", ""), str),
        header(("kid", "7")),
    ),
    Difference(
        "typ", "RFC 8725 section 3.11: what else the same key signs is no access token",
        BOTH, "bad_type", lambda reading: reading.is_other_type, header(("typ", '"better-auth.session-cache+jwt"')),
    ),
    Difference(
        "time as text", "RFC 7519 section 2: a NumericDate is a JSON number; Python converts text and truth",
        ("PyJWT",), "bad_claim", lambda reading: is_time(reading, lambda value: isinstance(value, (str, bool))),
        claims("exp", f'"{FAR}"'),
    ),
    Difference(
        "time without end", "RFC 8259 section 6: a number that no double holds would make the token eternal",
        ("jose",), "bad_claim", lambda reading: is_time(reading, lambda value: value in (float("inf"), float("-inf"))),
        claims("exp", "1e400"),
    ),
    Difference(
        "sub or jti of another type", "RFC 7519 sections 4.1.2 and 4.1.7: both are strings; jose leaves that to the caller",
        ("jose",), "bad_claim",
        lambda reading: any(not isinstance(reading.claims.get(name, ""), str) for name in ("sub", "jti")),
        claims("sub", "42"),
    ),
    # nginx accepts.
    Difference(
        "iat in the future", "RFC 7519 section 4.1.6: iat tells a token's age, nbf from when it holds; clocks differ",
        ("PyJWT",), "ok", lambda reading: is_future(reading.claims.get("iat")), claims("iat", str(FAR)),
        theirs=("ImmatureSignatureError",),
    ),
    Difference(
        "aud that nobody asked for", "RFC 7519 section 4.1.3: a location may ask for one; Better Auth always sets it",
        ("PyJWT",), "ok", lambda reading: bool(reading.claims.get("aud")), claims("aud", '"https://app.example"'),
        theirs=("InvalidAudienceError",),
    ),
]


def witnesses(keys: dict[str, Key]) -> list[tuple[Difference, Token]]:
    """For each difference the tokens that must show it."""
    return [
        (difference, Token(difference.algorithm, text, f"witness: {difference.name}"))
        for difference in DIFFERENCES
        for text in difference.shown_by(keys[difference.algorithm])
    ]
