"""Tokens from texts: nothing here minds what they say."""

import base64
from dataclasses import dataclass

from keys import Key

FAR = 4102444800  # 2100-01-01, and no clock on the way of a run
PAST = 1000000000

HEADER = [("alg", '"$alg"'), ("typ", '"JWT"')]
CLAIMS = [("uid", '"A"'), ("exp", str(FAR))]

Members = list[tuple[str, str]]  # names and values as they are written


@dataclass(frozen=True)
class Token:
    algorithm: str  # of the location that it is sent to
    text: str  # its bytes, as Latin-1
    kind: str
    user: str = "A"  # of the path that it is sent to


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def written(members: Members) -> str:
    """A JSON object. A name that has a quote is written as it is."""
    return "{%s}" % ",".join(f"{name}:{value}" if '"' in name else f'"{name}":{value}' for name, value in members)


def header_text(key: Key, header: Members | str | bytes) -> bytes:
    text = header if isinstance(header, (str, bytes)) else written(header)
    text = text if isinstance(text, bytes) else to_bytes(text)
    return text.replace(b"$alg", key.algorithm.encode())


def to_bytes(text: str) -> bytes:
    """UTF-8, also of what is no character."""
    return text.encode("utf-8", "surrogatepass")


def signed(key: Key, header: Members | str | bytes = HEADER, claims: Members | str | bytes = CLAIMS, sign=None) -> str:
    payload = claims if isinstance(claims, (str, bytes)) else written(claims)
    payload = payload if isinstance(payload, bytes) else to_bytes(payload)
    return signed_segments(key, encode(header_text(key, header)), encode(payload), sign)


def signed_segments(key: Key, header: str, payload: str, sign=None) -> str:
    text = f"{header}.{payload}"
    return f"{text}.{encode((sign or key.sign)(text.encode('latin-1')))}"


def with_member(members: Members, name: str, value: str | None) -> Members:
    """Sets a member, or leaves it out."""
    others = [member for member in members if member[0] != name]
    return others if value is None else [*others, (name, value)]
