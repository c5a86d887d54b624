"""Every difference between nginx and the reference, with its reason. There are no others."""

import json
from dataclasses import replace

from cases import EXPIRED, FORBIDDEN, INVALID, NOT_FOUND, OK, Case, Decision, World, bearer
from tokens import HEADER, sign

# These concern every refusal, and are no decisions.
EVERYWHERE = [
    "the challenge of a 401 names the error of a bad token (RFC 6750 section 3); the dependency says only Bearer",
    "a 403 has a challenge as well, insufficient_scope (RFC 6750 section 3.1); the dependency sends none",
]


def different(w: World) -> list[Case]:
    groups = (honest_tokens, strict_claims, strict_json, strict_base64, strict_headers, strict_paths)
    return [
        replace(case, reference=reference, why=why)
        for group in groups
        for why, reference, cases in group(w)
        for case in cases
    ]


Reasons = list[tuple[str, Decision, list[Case]]]  # why, what the reference answers, to which requests


def honest_tokens(w: World) -> Reasons:
    """nginx lets in what PyJWT refuses."""
    return [
        (
            "PyJWT refuses an aud unless told what to expect; Better Auth sets it in every token",
            INVALID,
            [w.case("aud that nobody asked for, PyJWT as it comes", "ok", w.alice.token, prefix="/unconfigured")],
        ),
        (
            "iat says when a token was issued, not from when it holds: a clock ahead by a second would lock users out",
            INVALID,
            [w.case("iat in the future", "ok", w.signed(iat=w.now + 60))],
        ),
        (
            "a serial id is a number in the token and text in the path; the dependency compares number with text",
            FORBIDDEN,
            [w.case("uid a whole number", "ok", w.signed(uid=42), path=w.path(user="42"))],
        ),
        (
            "a token may name several users, one of whom must be the path's; the dependency compares the list",
            FORBIDDEN,
            [w.case("uid a list of ids", "ok", w.signed(uid=[w.bob.id, w.alice.id]))],
        ),
    ]


def strict_claims(w: World) -> Reasons:
    early, late = str(w.now - 60), str(w.now + 900)
    return [
        (
            "RFC 7519: a time is a JSON number; PyJWT converts text",
            OK,
            [
                w.case("exp as text", "bad_claim", w.signed(exp=late)),
                w.case("nbf as text", "bad_claim", w.signed(nbf=early)),
                w.case("iat as text", "bad_claim", w.signed(iat=early)),
            ],
        ),
        (
            "a time is a JSON number; PyJWT takes true for the epoch's first second",
            EXPIRED,
            [w.case("exp true", "bad_claim", w.signed(exp=True))],
        ),
        (
            "the token names no user at all, so it is no valid token; the dependency only sees another user",
            FORBIDDEN,
            [w.case("uid no id", "bad_claim", *[w.signed(uid=uid) for uid in ("", True, 1.5, {})])],
        ),
        (
            "nginx judges times before the user claim; PyJWT asks first whether the claims are there",
            INVALID,
            [w.case("expired, uid missing", "expired", w.signed("uid", exp=w.now - 60))],
        ),
    ]


def strict_json(w: World) -> Reasons:
    """Texts that two parsers read differently: what nginx checks must be what everyone else reads."""
    text = json_text(w.claims())
    deep = b"[" * 200 + b"]" * 200
    return [
        (
            "which of two members counts is up to the parser; Python takes the last",
            OK,
            [
                w.case("uid twice", "malformed_token", sign(with_member(text, b'"uid":"x"'), w.secret)),
                w.case("alg twice", "malformed_token", w.under(b'{"alg":"none","alg":"HS256"}')),
            ],
        ),
        (
            "RFC 8259 knows no NaN",
            OK,
            [w.case("NaN in the payload", "malformed_token", sign(with_member(text, b'"x":NaN'), w.secret))],
        ),
        (
            "RFC 7519: the payload is UTF-8; Python guesses the encoding",
            OK,
            [
                w.case("payload in UTF-16", "malformed_token", sign(text.decode().encode("utf-16"), w.secret)),
                w.case("payload behind a byte order mark", "malformed_token", sign(b"\xef\xbb\xbf" + text, w.secret)),
            ],
        ),
        (
            "depth is limited to 127 levels",
            OK,
            [w.case("200 levels deep", "malformed_token", sign(with_member(text, b'"x":' + deep), w.secret))],
        ),
        (
            "RFC 7515: a crit that is not understood refuses the token; nginx understands none, PyJWT knows b64",
            OK,
            [w.case("crit names b64", "malformed_token", w.under(HEADER | {"crit": ["b64"], "b64": True}))],
        ),
    ]


def strict_base64(w: World) -> Reasons:
    return [
        (
            "RFC 7515 section 2: base64url without padding, so that a token has one spelling; PyJWT tolerates it",
            OK,
            [w.case("signature with padding", "malformed_token", f"{w.alice.token}=")],
        ),
    ]


def strict_headers(w: World) -> Reasons:
    token = w.alice.token
    twice = [bearer(sign(w.claims(), "x" * 64)), bearer(w.signed(exp=w.now - 60))]
    return [
        (
            "a space is a space; FastAPI strips whatever Unicode calls white",
            OK,
            [
                w.form("a tab behind the token", "malformed_token", f"Bearer {token}\t"),
                w.form("a tab behind the space", "malformed_token", f"Bearer \t{token}"),
                w.form("a no-break space behind the token", "malformed_token", f"Bearer {token}".encode() + b"\xa0"),
            ],
        ),
        (
            "nginx itself refuses two Authorization lines; FastAPI takes the first",
            INVALID,
            [Case("two Authorization lines", "", [twice], w.path())],
        ),
    ]


def strict_paths(w: World) -> Reasons:
    """Paths that nginx and a backend may read as two users' are refused, whoever asks."""
    me, they = w.alice.id, w.bob.id

    def walk(name: str, path: str) -> Case:
        return w.case(name, "ambiguous_path", w.alice.token, path=f"/api/users/{path}")

    return [
        (
            "nginx reads one's own path, FastAPI the other's file",
            FORBIDDEN,
            [
                walk("from the other's path, ..", f"{they}/files/../../{me}/profile"),
                walk("from the other's path, %2e%2e", f"{they}/files/%2e%2e/%2E%2E/{me}/profile"),
                walk("from the other's path, ..%2f", f"{they}/files/..%2f../{me}/profile"),
            ],
        ),
        (
            "FastAPI reads a file of one's own, nginx or another backend the other's path",
            OK,
            [
                walk("to the other's path, ..", f"{me}/files/../../{they}/profile"),
                walk("to the other's path, ..;", f"{me}/files/..;/..;/{they}/profile"),
                walk("to the other's path, ..\\", f"{me}/files/..\\..\\{they}/profile"),
                walk("to the other's path, %2f", f"{me}/files/..%2f..%2f{they}/profile"),
                walk("to the other's path, encoded twice", f"{me}/files/%252e%252e/%252e%252e/{they}/profile"),
            ],
        ),
        (
            "nginx drops an empty segment, FastAPI routes on it",
            NOT_FOUND,
            [walk("an empty segment", f"{me}//profile")],
        ),
    ]


def json_text(claims: dict) -> bytes:
    return json.dumps(claims).encode()


def with_member(text: bytes, member: bytes) -> bytes:
    """The object with a member in front that no dict could hold."""
    return b"{" + member + b"," + text[1:]
