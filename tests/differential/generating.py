"""The stream of tokens: what is systematic first, then mixtures without end."""

from collections.abc import Iterator
from itertools import chain, islice
from random import Random

import mutations
from keys import Key
from making import FAR, HEADER, PAST, Token, signed, with_member

USERS = ("A", "A", "A", "42", "caf\u00e9", "a b", "123456789012345678901234567890", "-0")


def stream(keys: dict[str, Key], random: Random, number: int) -> tuple[Iterator[Token], str]:
    """So many tokens, and what they are: up to seven in ten systematic, evenly drawn where there is no room for all."""
    systematic = list(chain.from_iterable(every_change(key, keys, random) for key in keys.values()))
    share = min(len(systematic), number * 7 // 10)
    tokens = chain(random.sample(systematic, share), islice(mixtures(keys, random), number - share))
    return tokens, f"{share} of {len(systematic)} systematic changes, {number - share} mixtures"


def every_change(key: Key, keys: dict[str, Key], random: Random) -> Iterator[Token]:
    yield from mutations.members_changed(key)
    yield from mutations.algorithms_confused(key, keys)
    yield from mutations.signatures_changed(key)
    yield from mutations.encodings_changed(key)
    yield from mutations.segments_rearranged(key)
    yield from mutations.bytes_changed(key, signed(key), random)


def mixtures(keys: dict[str, Key], random: Random) -> Iterator[Token]:
    """Mostly good tokens with up to three members changed, and now and then a byte."""
    while True:
        key, user = random.choice(list(keys.values())), random.choice(USERS)
        header, claims = HEADER, honest_claims(user, random)
        for _ in range(random.choice((0, 0, 1, 1, 1, 2, 3))):
            header, claims = changed(header, claims, random)
        text = signed(key, header, shuffled(claims, random))
        kind = "mixture"
        if random.random() < 0.1:
            text, kind = with_byte_changed(text, random), "mixture, byte"
        yield Token(key.algorithm, text, kind, user)


def honest_claims(user: str, random: Random) -> list[tuple[str, str]]:
    """What issuers write: Better Auth's claims, in many orders and forms."""
    is_number = user.lstrip("-").isdigit()
    name = random.choice((f'"{user}"', user if is_number else f'"{user}"', f'["B","{user}"]'))
    claims = [("uid", name), ("exp", random.choice((str(FAR), f"{FAR}.0", "4.1024448e9", "1e11", str(PAST))))]
    for member in (
        ("iat", random.choice((str(PAST), f"{PAST}.25"))), ("nbf", random.choice((str(PAST), "0", "-1", str(FAR)))),
        ("iss", '"https://auth.example"'), ("sub", f'"{user}"'), ("jti", '"7"'), ("name", '"\\u00c4\\ud83d\\ude00"'),
        ("x", '{"y":[1,2.5,true,null,{"z":""}]}'), ("aud", '"https://app.example"'),
    ):
        if random.random() < 0.2:
            claims.append(member)
    return claims


def changed(header, claims, random: Random):
    value = random.choice(mutations.VALUES)
    if random.random() < 0.3:
        return with_member(header, random.choice(mutations.OF_HEADER[1:]), value), claims
    return header, with_member(claims, random.choice(mutations.OF_CLAIMS), value)


def shuffled(members: list, random: Random) -> list:
    return random.sample(members, len(members))


def with_byte_changed(text: str, random: Random) -> str:
    at = random.randrange(len(text))
    return text[:at] + random.choice(mutations.ALPHABET + mutations.STRANGE) + text[at + random.choice((0, 1)):]
