"""What is done to tokens: to each member, to each byte, to segments, signatures and encodings."""

from collections.abc import Iterator
from random import Random

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from keys import ORDERS, Key, hmac_of
from making import (
    CLAIMS, FAR, HEADER, PAST, Members, Token, encode, header_text, signed, signed_segments, with_member, written,
)

# Values of every type and of many forms.
VALUES = (
    "null", "true", "false", "0", "-0", "1", "-1", "42", "1.5", "1.0", "1e3", "1E+3", "-1e3", str(FAR), f"{FAR}.5",
    str(PAST), "4.1024448e9", "1e-400", "1e308", "1e400", "-1e400", "123456789012345678901234567890", '""', '"A"', '"a"', '" A"',
    '"\\u0041"', '"B"', '"JWT"', '"jwt"', '"at+jwt"', '"application/jwt"', '"JWE"', f'"{FAR}"', f'"{PAST}"', '"caf\u00e9"',
    '"cafe\\u0301"', '"\\ud83d\\ude00"', '"\\ud800"', '"\\u0000"', '"b64"', "[]", '["A"]', '["B","A"]', '["A",1]',
    '["A",null]', '[["A"]]', '["b64"]', '["exp"]', "[1e400]", "{}", '{"A":1}', '{"a":1,"a":1}', '{"x":{"y":[1e400]}}',
    "NaN",
    "Infinity", "-Infinity", "+1", "01", ".5", "1.", "0x1", "nul", "'A'", '"\t"', '"\\x41"', '"A', "[1,]",
    "[" * 100 + "]" * 100,
    "[" * 130 + "]" * 130, "[" * 500 + "]" * 500,
)
OF_HEADER = (
    "alg", "typ", "kid", "crit", "b64", "cty", "jku", "jwk", "x5u", "x5c", "x5t", "zip", "enc", "x", "__proto__",
)
OF_CLAIMS = ("uid", "exp", "nbf", "iat", "iss", "aud", "sub", "jti", "x", "__proto__")
ALGS = (
    "none", "None", "NONE", "", "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "ES256", "ES256K",
    "ES384", "ES512", "EdDSA", "Ed25519", "Ed448", "hs256", "eddsa", "HS256 ", "RSA-OAEP", "dir",
)
TIMES = ("exp", "nbf", "iat")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
# No byte that a header line cannot hold: nginx refuses such a request, or cuts the line there, before any module.
STRANGE = "=.+/ \t,;:!\"'%&*~|\\\x01\x7f" + "".join(map(chr, range(0x80, 0x100)))


def members_changed(key: Key) -> Iterator[Token]:
    """Each member with each value; twice; missing; in other writings of its name."""
    for names, base, where in ((OF_HEADER, HEADER, 0), (OF_CLAIMS, CLAIMS, 1)):
        for name in names:
            for form in forms(base, name):
                parts = [HEADER, CLAIMS]
                parts[where] = form
                yield Token(key.algorithm, signed(key, *parts), f"member {name}")


def forms(base: Members, name: str) -> Iterator[Members]:
    for value in VALUES:
        yield with_member(base, name, value)
    own = dict(base).get(name, '"A"')
    yield with_member(base, name, None)
    yield [*base, (name, own)] if name in dict(base) else [*base, (name, own), (name, own)]
    yield [(name, '"B"'), *with_member(base, name, own)]
    yield [*with_member(base, name, own), (name, '"B"')]
    escaped = f'"\\u{ord(name[0]):04x}{name[1:]}"'
    yield [*with_member(base, name, None), (escaped, own)]
    yield [*with_member(base, name, own), (escaped, own)]
    yield [*with_member(base, name, None), (name.upper(), own)]
    yield [*with_member(base, name, None), (f" {name}", own)]
    yield [*with_member(base, name, own), ("nested", f'{{"{name}":{own},"{name}":{own}}}')]


def algorithms_confused(key: Key, keys: dict[str, Key]) -> Iterator[Token]:
    """The header says one thing, the signature is another."""
    def token(header, sign, kind="confusion"):
        return Token(key.algorithm, signed(key, header, CLAIMS, sign), kind)

    for alg in ALGS:
        header = with_member(HEADER, "alg", f'"{alg}"')
        yield token(header, None)
        yield token(header, lambda _: b"")
        for other in keys.values():
            yield token(header, other.sign)
            for secret in [] if other.is_secret else (other.pem, other.pem.strip(), other.der, other.der[-32:]):
                for hmac in ("HS256", "HS512"):
                    yield token(header, lambda text, secret=secret, hmac=hmac: hmac_of(secret, text, hmac))
        for secret in (b"", b"\0", b"secret", alg.encode()):
            yield token(header, lambda text, secret=secret: hmac_of(secret, text))


def signatures_changed(key: Key) -> Iterator[Token]:
    def token(change):
        return Token(key.algorithm, signed(key, sign=lambda text: change(key.sign(text), text)), "signature")

    length = len(key.sign(b""))
    for at in range(length):
        for bit in range(8):
            yield token(lambda s, _, at=at, bit=bit: s[:at] + bytes([s[at] ^ 1 << bit]) + s[at + 1:])
        yield token(lambda s, _, at=at: s[:at])
    for extra in (b"\0", b"\x01", b"\0" * 32):
        yield token(lambda s, _, extra=extra: s + extra)
        yield token(lambda s, _, extra=extra: extra + s)
    yield token(lambda s, _: s * 2)
    yield token(lambda s, _: s[::-1])
    yield token(lambda s, _: bytes(length))
    yield token(lambda s, _: b"\xff" * length)
    yield token(lambda s, _: key.sign(b"something else"))
    if key.algorithm.startswith("ES"):
        yield from points_changed(key, token)


def points_changed(key: Key, token) -> Iterator[Token]:
    length, order = key.coordinate_length, ORDERS[key.algorithm]

    def pair(r: int, s: int) -> bytes:
        return (r % 256**length).to_bytes(length, "big") + (s % 256**length).to_bytes(length, "big")

    def numbers(text: bytes) -> tuple[int, int]:
        return decode_dss_signature(key.der_signature(text))

    yield token(lambda _, text: key.der_signature(text))
    for change in (
        lambda r, s: (r, order - s), lambda r, s: (s, r), lambda r, s: (r + order, s), lambda r, s: (r, s + order),
        lambda r, s: (0, s), lambda r, s: (r, 0), lambda r, s: (order, s), lambda r, s: (r, order), lambda r, s: (1, 1),
    ):
        yield token(lambda _, text, change=change: pair(*change(*numbers(text))))


def encodings_changed(key: Key) -> Iterator[Token]:
    """Segments and texts in other writings, all of them signed."""
    header, payload = header_text(key, HEADER), written(CLAIMS).encode()
    for text in (header, payload):
        for other in texts(text):
            both = (other, payload) if text is header else (header, other)
            yield Token(key.algorithm, signed(key, *both), "text")
    plain = [encode(header), encode(payload)]
    for at in (0, 1):
        for segment in segments(plain[at]):
            both = [*plain]
            both[at] = segment
            yield Token(key.algorithm, signed_segments(key, *both), "segment")
    token = signed(key)
    *start, last = token.split(".")
    for segment in segments(last):
        yield Token(key.algorithm, ".".join([*start, segment]), "segment")


def texts(text: bytes) -> Iterator[bytes]:
    as_text = text.decode()
    for codec in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"):
        yield as_text.encode(codec)
    yield as_text.replace("{", '{"\u00e9":1,').encode("latin-1")
    for strange in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"):
        yield text.replace(b"{", b'{"x":"' + strange + b'",', 1)
    for before, after in (
        (b" ", b""), (b"\n\r\t ", b" \n"), (b"", b"\0"), (b"\0", b""), (b"\x0b", b""), (b"\xc2\xa0", b""), (b"", b"x"),
        (b"", b"{}"), (b"", b","), (b"[", b"]"), (b"", b"//"), (b"", b"/**/"), (b'{"x":', b"}"), (b"", b"\xef\xbb\xbf"),
    ):
        yield before + text + after
    yield text.replace(b":", b" : ").replace(b",", b" ,\n")
    yield text.replace(b"}", b",}")
    yield text.replace(b'"', b"'")
    for whole in (b"", b"null", b"{}", b"[]", b"1", b'"A"', b"{", text[:-1], text[:1] + text, text + text, encode(text).encode()):
        yield whole


def segments(segment: str) -> Iterator[str]:
    """Other writings of base64url."""
    for padding in ("=", "==", "==="):
        yield segment + padding
    yield segment + "=" * (-len(segment) % 4)
    for strange in (" ", "\t", "%20", "+", "/", ",", "\x0c", "\xa0"):
        yield segment[:8] + strange + segment[8:]
        yield segment + strange
    yield segment.replace("-", "+").replace("_", "/")
    for step in range(1, 16):
        yield segment[:-1] + ALPHABET[ALPHABET.index(segment[-1]) ^ step]
    yield segment + "A"
    yield segment[:-1]
    yield segment + segment


def segments_rearranged(key: Key) -> Iterator[Token]:
    header, payload, signature = signed(key).split(".")
    for parts in (
        [header], [header, payload], [header, payload, ""], ["", payload, signature], [header, "", signature], ["", "", ""],
        [header, payload, signature, ""], ["", header, payload, signature], [header, payload, signature, signature],
        [header, payload, payload, signature], [header] * 5, [payload, header, signature], [header, header, signature],
        [payload, payload, signature], [signature, payload, header], [header, signature, payload],
    ):
        yield Token(key.algorithm, ".".join(parts), "segments")
    for joint in (" ", "..", ",", ":", "%2e", ". ", " ."):
        yield Token(key.algorithm, joint.join((header, payload, signature)), "segments")


def bytes_changed(key: Key, token: str, random: Random) -> Iterator[Token]:
    """A token with each of its bytes changed, left out, doubled, and with another before it."""
    for at, old in enumerate(token):
        before, after = token[:at], token[at + 1:]
        near, strange = random.choice(ALPHABET), random.choice(STRANGE)
        for text in (
            before + (near if near != old else "A") + after, before + strange + after, before + old.swapcase() + after,
            before + after, before + old + old + after, before + near + old + after, before + strange + old + after,
        ):
            yield Token(key.algorithm, text, "byte")
