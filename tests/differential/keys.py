"""One key for each algorithm, the same for the same seed, and a signer that signs anything."""

import hashlib
import hmac
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from random import Random

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ALGORITHMS = ("HS256", "HS512", "RS256", "ES256", "ES384", "ES512", "EdDSA")
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
# Of their points (FIPS 186-4 appendix D.1.2): a prefix of ones, and what is not.
ORDERS = {
    "ES256": (1 << 256) - (1 << 224) + (1 << 192) - 0x4319055258E8617B0C46353D039CDAAF,
    "ES384": (1 << 384) - 0x389CB27E0BC8D220A7E5F24DB74F58851313E695333AD68D,
    "ES512": (1 << 521) - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7,
}
HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


@dataclass(frozen=True)
class Key:
    algorithm: str
    private: object  # bytes where it is a shared secret

    @property
    def is_secret(self) -> bool:
        return isinstance(self.private, bytes)

    @property
    def names(self) -> list[str]:
        """What tokens may call the algorithm."""
        return ["EdDSA", "Ed25519"] if self.algorithm == "EdDSA" else [self.algorithm]

    @property
    def pem(self) -> bytes:
        return self.public(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.public(serialization.Encoding.DER)

    def public(self, encoding) -> bytes:
        return self.private.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)

    def der_signature(self, signed: bytes) -> bytes:
        """What ECDSA gives before it is written as two numbers of fixed length."""
        scheme = ec.ECDSA(HASHES[self.algorithm[2:]], deterministic_signing=True)
        return self.private.sign(signed, scheme)

    @cache
    def sign(self, signed: bytes) -> bytes:
        match self.algorithm[:2]:
            case "HS":
                return hmac_of(self.private, signed, self.algorithm)
            case "RS":
                return self.private.sign(signed, padding.PKCS1v15(), hashes.SHA256())
            case "ES":
                length = self.coordinate_length
                numbers = decode_dss_signature(self.der_signature(signed))
                return b"".join(number.to_bytes(length, "big") for number in numbers)
            case _:
                return self.private.sign(signed)

    @property
    def coordinate_length(self) -> int:
        return (CURVES[self.algorithm].key_size + 7) // 8


def hmac_of(secret: bytes, signed: bytes, algorithm: str = "HS256") -> bytes:
    return hmac.new(secret, signed, getattr(hashlib, f"sha{algorithm[2:]}")).digest()


def make_keys(random: Random) -> dict[str, Key]:
    return {algorithm: Key(algorithm, make_private(algorithm, random)) for algorithm in ALGORITHMS}


def make_private(algorithm: str, random: Random):
    match algorithm[:2]:
        case "HS":
            return random.randbytes(64)
        case "RS":
            return make_rsa(random)
        case "ES":
            return ec.derive_private_key(random.getrandbits(250) + 1, CURVES[algorithm])
        case _:
            return ed25519.Ed25519PrivateKey.from_private_bytes(random.randbytes(32))


def make_rsa(random: Random) -> rsa.RSAPrivateKey:
    """The library draws its primes from the system, and a seed must always give the same key."""
    e, p, q = 65537, prime(random), prime(random)
    d = pow(e, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(e, p * q)
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public).private_key()


def prime(random: Random) -> int:
    while True:
        candidate = random.getrandbits(1024) | 3 << 1022 | 1
        if candidate % 65537 != 1 and all(is_witnessed(candidate, base) for base in (2, 3, 5, 7, 11, 13, 17, 19)):
            return candidate


def is_witnessed(n: int, base: int) -> bool:
    """One round of Miller and Rabin's test."""
    twos = (n - 1 & 1 - n).bit_length() - 1
    x = pow(base, n - 1 >> twos, n)
    return x == 1 or n - 1 in accumulate(range(twos - 1), lambda x, _: x * x % n, initial=x)
