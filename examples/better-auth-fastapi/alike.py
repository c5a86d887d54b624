"""The requests on which nginx and the reference decide alike."""

import hashlib

from cases import Case, World, bearer
from tokens import HEADER, altered, segment, sign, sign_text, spare_bits_set


def alike(w: World) -> list[Case]:
    groups = (paths, header_forms, tampered, spellings, algorithms, times, claims, texts)
    return [case for group in groups for case in group(w)]


def paths(w: World) -> list[Case]:
    mine, note = w.alice.token, {"text": "hello"}
    theirs = w.bob.id
    neighbours = [w.alice.id.swapcase(), w.alice.id[:-1], w.alice.id + "0"]
    return [
        w.case("own path", "ok", mine),
        w.case("own path, the user alone", "ok", mine, path=w.path("")),
        w.case("own path, deeper", "ok", mine, path=w.path("/files/2026/report.pdf")),
        w.case("own path, POST", "ok", mine, path=w.path("/notes"), body=note),
        w.case("other's path", "user_mismatch", mine, path=w.path(user=theirs)),
        w.case("other's path, the user alone", "user_mismatch", mine, path=w.path("", theirs)),
        w.case("other's path, POST", "user_mismatch", mine, path=w.path("/notes", theirs), body=note),
        w.case("own path, other's token", "user_mismatch", w.bob.token),
        *[w.case(f"an id that is nearly one's own: {n}", "user_mismatch", mine, path=w.path(user=i))
          for n, i in zip(["upper and lower case swapped", "shorter", "longer"], neighbours)],
        Case("no token", "missing_token", [[]], w.path()),
        Case("no token, POST", "missing_token", [[]], w.path("/notes"), body=note),
        Case("no token, other's path", "missing_token", [[]], w.path(user=theirs)),
    ]


def header_forms(w: World) -> list[Case]:
    token = w.alice.token
    long = w.signed(pad="x" * 5000)
    return [
        w.form("scheme in other letters", "ok", f"bearer {token}", f"BEARER {token}", f"bEaReR {token}"),
        w.form("more spaces", "ok", f"Bearer  {token}", f"Bearer     {token}", f"Bearer {token}  "),
        w.form("a token of 7 KB", "ok", bearer(long)),
        w.form("scheme alone", "missing_token", "Bearer", "Bearer ", "bearer   "),
        w.form("empty header", "missing_token", ""),
        w.form("another scheme", "missing_token", f"Basic {token}", f"Token {token}", f"JWT {token}", "X"),
        w.form("no scheme", "missing_token", token, f"Bearer{token}", f"Bearer:{token}"),
        w.form("a tab for the space", "missing_token", f"Bearer\t{token}"),
        w.form("two tokens", "malformed_token", f"Bearer {token} {token}", f"Bearer {token},{token}"),
        w.form("a comma behind", "malformed_token", f"Bearer {token},"),
        w.form("quotes", "malformed_token", f'Bearer "{token}"', f"Bearer '{token}'"),
        w.form("bytes above 0x7f", "malformed_token", b"Bearer \xff\xfe", b"Bearer \xc3\xa9" + token.encode()),
    ]


def tampered(w: World) -> list[Case]:
    header, payload, signature = w.alice.token.split(".")
    bobs = w.bob.token.split(".")
    return [
        w.case("every character of the header changed", "bad_signature|malformed_token|unsupported_algorithm",
               *altered(w.alice.token, 0)),
        w.case("every character of the payload changed", "bad_signature|malformed_token", *altered(w.alice.token, 1)),
        w.case("every character of the signature changed", "bad_signature", *altered(w.alice.token, 2)),
        w.case("other's payload, own signature", "bad_signature", f"{header}.{bobs[1]}.{signature}"),
        w.case("own payload, other's signature", "bad_signature", f"{header}.{payload}.{bobs[2]}"),
        w.case("a later exp, old signature", "bad_signature",
               f"{header}.{segment(w.claims(exp=w.now + 86400))}.{signature}"),
        w.case("signature cut short", "bad_signature", w.alice.token[:-3]),
        w.case("signature of nothing", "malformed_token", f"{header}.{payload}."),
        w.case("segments missing", "malformed_token",
               header, f"{header}.{payload}", "..", ".", f".{payload}.{signature}", f"{header}..{signature}"),
        w.case("another secret", "bad_signature", sign(w.claims(), "x" * 64), sign(w.claims(), w.secret[:-1])),
    ]


def spellings(w: World) -> list[Case]:
    """Other texts that a lenient decoder takes for the same bytes."""
    token = w.alice.token
    return [
        w.case("signature with spare bits set", "malformed_token", spare_bits_set(token)),
        w.case("signature in the other base64 alphabet", "malformed_token", in_the_other_alphabet(w)),
        w.case("signature with something in it", "malformed_token", f"{token}!!", f"{token[:-4]}!!!!{token[-4:]}"),
    ]


def in_the_other_alphabet(w: World) -> str:
    """A good token whose signature is spelt with + or /, the other alphabet's - and _."""
    for number in range(1000):
        signed, signature = w.signed(n=number).rsplit(".", 1)
        spelt = signature.replace("-", "+").replace("_", "/")
        if spelt != signature:
            return f"{signed}.{spelt}"
    raise AssertionError("no signature among a thousand has a - or _")


def algorithms(w: World) -> list[Case]:
    payload = segment(w.claims())
    unsigned = [f"{segment({'alg': none, 'typ': 'JWT'})}.{payload}" for none in ("none", "None", "NONE")]
    elsewhere = {"jku": "http://127.0.0.1/keys", "x5u": "http://127.0.0.1/cert", "jwk": {"kty": "oct", "k": "AAAA"}}
    return [
        w.case("alg none, no signature", "malformed_token", *[f"{text}." for text in unsigned]),
        w.case("alg none, signed all the same", "unsupported_algorithm", *[sign_text(t, w.secret) for t in unsigned]),
        w.case("alg in other letters", "unsupported_algorithm", w.under({"alg": "hs256"}), w.under({"alg": "HS256 "})),
        w.case("alg HS384 and HS512", "unsupported_algorithm", w.under({"alg": "HS384"}, hashlib.sha384),
               w.under({"alg": "HS512"}, hashlib.sha512)),
        w.case("alg RS256 and EdDSA", "unsupported_algorithm", w.under({"alg": "RS256"}), w.under({"alg": "EdDSA"})),
        w.case("alg missing", "malformed_token|unsupported_algorithm", w.under({"typ": "JWT"})),
        w.case("alg not a string", "malformed_token", *[w.under({"alg": alg}) for alg in (256, None, ["HS256"])]),
        w.case("crit that nobody knows", "malformed_token", w.under(HEADER | {"crit": ["exp"], "exp": 1})),
        w.case("kid not a string", "malformed_token", w.under(HEADER | {"kid": 1})),
        w.case("kid that nobody configured", "ok", w.under(HEADER | {"kid": "1"})),
        w.case("keys named by the token", "ok", w.under(HEADER | elsewhere)),
        w.case("another typ, or none", "ok", w.under({"alg": "HS256", "typ": "at+jwt"}), w.under({"alg": "HS256"})),
    ]


def times(w: World) -> list[Case]:
    return [
        w.case("expired", "expired", w.signed(exp=w.now - 1), w.signed(exp=0), w.signed(exp=-1)),
        w.case("expires now", "expired", w.signed(exp=w.now)),
        w.case("expired, other's path", "expired", w.signed(exp=w.now - 1), path=w.path(user=w.bob.id)),
        w.case("exp with a fraction", "ok", w.signed(exp=w.now + 900.5)),
        w.case("exp missing", "bad_claim", w.signed("exp")),
        w.case("exp not a time", "bad_claim", *[w.signed(exp=exp) for exp in (None, "soon", [], {}, [w.now + 900])]),
        w.case("nbf in the past", "ok", w.signed(nbf=w.now - 60)),
        w.case("nbf in the future", "not_yet_valid", w.signed(nbf=w.now + 3600)),
        w.case("nbf not a time", "bad_claim", w.signed(nbf="soon"), w.signed(nbf={}), w.signed(nbf=None)),
        w.case("iat missing", "ok", w.signed("iat")),
        w.case("iat not a time", "bad_claim", w.signed(iat="soon"), w.signed(iat=[])),
    ]


def claims(w: World) -> list[Case]:
    bare = w.signed("iss", "aud", "sub", "iat")
    return [
        w.case("uid missing", "bad_claim", w.signed("uid")),
        w.case("uid null", "bad_claim", w.signed(uid=None)),
        w.case("sub and uid differ", "ok", w.signed(sub=w.bob.id)),
        w.case("sub or jti not text", "bad_claim", w.signed(sub=42), w.signed(sub=None), w.signed(jti=[])),
        w.case("uid of the other", "user_mismatch", w.signed(uid=w.bob.id)),
        w.case("uid with a space", "user_mismatch", w.signed(uid=w.alice.id + " "), w.signed(uid=" " + w.alice.id)),
        w.case("uid 42 at /042", "user_mismatch", w.signed(uid=42), path=w.path(user="042")),
        w.case("only exp and uid", "ok", bare),
        w.case("only exp and uid, PyJWT as it comes", "ok", bare, prefix="/unconfigured"),
    ]


def texts(w: World) -> list[Case]:
    def payloads(name: str, *texts: bytes) -> Case:
        return w.case(f"payload {name}", "malformed_token", *[sign(text, w.secret) for text in texts])

    return [
        payloads("not an object", b"[]", b'"x"', b"1", b"null"),
        payloads("not JSON", b"", b"{", b"{'a':1}", b"\x00"),
        payloads("not UTF-8", b'{"uid":"\xff"}'),
        payloads("with something behind", b"{} {}", b'{"exp":1}x', b'{"exp":1}\x00'),
        payloads("encoded twice", segment(w.claims()).encode()),
        w.case("header not an object", "malformed_token", *[w.under(text) for text in (b"[]", b"x", b"1")]),
    ]
