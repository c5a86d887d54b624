"""Tokens that Better Auth would not issue: its own ones altered, or signed anew with the same secret."""

import base64
import hashlib
import hmac
import json

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
HEADER = {"alg": "HS256", "typ": "JWT"}


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def segment(part: dict | bytes) -> str:
    """A segment of an object, or of bytes that no JSON library would write."""
    return encode(part if isinstance(part, bytes) else json.dumps(part).encode())


def sign(claims: dict | bytes, secret: str, header: dict | bytes = HEADER, digest=hashlib.sha256) -> str:
    return sign_text(f"{segment(header)}.{segment(claims)}", secret, digest)


def sign_text(signed: str, secret: str, digest=hashlib.sha256) -> str:
    return f"{signed}.{encode(hmac.digest(secret.encode(), signed.encode(), digest))}"


def decode(part: str) -> dict:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def claims_of(token: str) -> dict:
    return decode(token.split(".")[1])


def header_of(token: str) -> dict:
    return decode(token.split(".")[0])


def altered(token: str, part: int) -> list[str]:
    """The token once per character of that segment, each time with that character changed.

    The change is in the character's highest bit: the lowest ones of a segment's last character may mean
    nothing, which is a case of its own.
    """
    segments = token.split(".")
    text = segments[part]
    return [
        ".".join(segments[:part] + [text[:i] + flipped(text[i], 32) + text[i + 1 :]] + segments[part + 1 :])
        for i in range(len(text))
    ]


def flipped(character: str, bits: int) -> str:
    return ALPHABET[ALPHABET.index(character) ^ bits]


def spare_bits_set(token: str) -> str:
    """The same bytes, written with a non-zero bit behind the last one."""
    return token[:-1] + flipped(token[-1], 1)
