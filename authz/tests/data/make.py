"""Makes the keys, certificates and tokens in this directory: PyJWT 2.15.1 signs, jwcrypto 1.6.1 writes the JWKs.

    pip install pyjwt==2.15.1 jwcrypto==1.6.1 cryptography
    python3 make.py

Every run makes new keys. Private keys are not kept: nothing but these tokens is ever signed with them.
"""

import datetime
import json
import pathlib

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.x509.oid import NameOID
from jwcrypto import jwk

HERE = pathlib.Path(__file__).parent
SECRET = "a secret for tests alone, 64 bytes long: 0123456789abcdef0123456"
CLAIMS = {"uid": "A", "iss": "https://auth.example", "exp": 253402300799}
PEM = serialization.Encoding.PEM

keys = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}
unfit = {
    "rsa1024": rsa.generate_private_key(65537, 1024),
    "secp256k1": ec.generate_private_key(ec.SECP256K1()),
    "ed448": ed448.Ed448PrivateKey.generate(),
    "x25519": x25519.X25519PrivateKey.generate(),
}
signers = {
    "rsa": ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
    "p256": ["ES256"],
    "p384": ["ES384"],
    "p521": ["ES512"],
    "ed25519": ["EdDSA", "Ed25519"],
}


def write(name, data):
    (HERE / name).write_bytes(data)


def certificate(key):
    """Self-signed, and long expired."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    day = datetime.datetime(2020, 1, 1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), day, day)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, digest)


def public(key):
    return key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def json_web_key(name, key):
    exported = jwk.JWK.from_pyca(key.public_key()).export_public(as_dict=True)
    return {"kid": name} | {member: exported[member] for member in exported if member != "kid"}


for name, key in (keys | unfit).items():
    write(f"{name}.pem", public(key))
    write(f"{name}.jwk", json.dumps(json_web_key(name, key)).encode() + b"\n")
for name, key in keys.items():
    write(f"{name}.crt", certificate(key).public_bytes(PEM))
write("rsa.pkcs1.pem", keys["rsa"].public_key().public_bytes(PEM, serialization.PublicFormat.PKCS1))

# PyJWT knows the algorithm of RFC 9864 by its older name.
if "Ed25519" not in jwt.algorithms.get_default_algorithms():
    jwt.register_algorithm("Ed25519", jwt.get_algorithm_by_name("EdDSA"))

tokens = {name: jwt.encode(CLAIMS, SECRET, algorithm=name) for name in ["HS256", "HS384", "HS512"]}
for key, algorithms in signers.items():
    tokens |= {name: jwt.encode(CLAIMS, keys[key], algorithm=name) for name in algorithms}
write("tokens.json", json.dumps(tokens, indent=1).encode() + b"\n")
