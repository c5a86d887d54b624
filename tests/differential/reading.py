"""What stands in a token, read as leniently as anybody does, and what a strict reader minds."""

import base64
import json
from functools import cached_property

ALPHABET = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
TYPES = {"jwt", "at+jwt"}


class Reading:
    """A token taken apart."""

    def __init__(self, text: str):
        self.segments = text.strip(" ").split(".")
        self.has_twice = self.has_nan = False
        self.texts = [decoded(segment) for segment in self.segments[:2]]
        self.parts = [self.parse(text) for text in self.texts]

    @property
    def header(self) -> dict:
        return self.parts[0]

    @property
    def claims(self) -> dict:
        return self.parts[1] if len(self.parts) > 1 else {}

    def parse(self, text: bytes) -> dict:
        try:
            value = json.loads(text, object_pairs_hook=self.pairs, parse_constant=self.constant)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    def pairs(self, pairs: list) -> dict:
        self.has_twice |= len(dict(pairs)) < len(pairs)
        return dict(pairs)

    def constant(self, name: str) -> float:
        self.has_nan = True
        return float(name)

    @property
    def is_strict_base64url(self) -> bool:
        return all(set(segment) <= ALPHABET and encoded(decoded(segment)) == segment for segment in self.segments)

    @property
    def is_other_encoding(self) -> bool:
        wide = ("utf-16", "utf-32")
        return any(not is_utf8(text) or json.detect_encoding(text).startswith(wide) for text in self.texts)

    @property
    def has_byte_order_mark(self) -> bool:
        return any(text.startswith(b"\xef\xbb\xbf") for text in self.texts)

    @cached_property
    def values(self) -> list:
        return [value for part in self.parts for value in walk(part, 1)]

    @property
    def depth(self) -> int:
        return max(depth for _, depth in self.values)

    @property
    def has_lone_surrogate(self) -> bool:
        return any(isinstance(value, str) and has_surrogate(value) for value, _ in self.values)

    @property
    def is_other_type(self) -> bool:
        typ = self.header.get("typ", "JWT")
        return not isinstance(typ, str) or typ.lower().removeprefix("application/") not in TYPES


def walk(value, depth: int):
    """Every value and name, with the level that it stands on."""
    yield value, depth
    inner = [*value.keys(), *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    for one in inner:
        yield from walk(one, depth + 1)


def has_surrogate(text: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in text)


def is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(segment: str) -> bytes:
    digits = "".join(c for c in segment if c in ALPHABET)
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]
    return base64.urlsafe_b64decode(digits + "=" * (-len(digits) % 4))
