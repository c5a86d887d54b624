"""Makes what fuzzing begins with: `seeds`, of which every input is let in, as `authz/tests/corpora` proves, and
`cases`, which come close to it. Inputs for which a property did not hold belong among the latter, too.

    pip install pyjwt==2.15.1 cryptography
    python3 seeds.py

The keys are those of `authz/tests/properties/signing.rs` and `authz/tests/data`; the signer is another.
"""

import json
import pathlib

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

HERE = pathlib.Path(__file__).parent
DATA = HERE.parent / "tests/data"
PUBLIC = ("rsa", "p256", "p384", "p521", "ed25519")


def hmac(number):
    return "HS256", bytes([number]) * 40


def eddsa(number):
    return "EdDSA", ed25519.Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def es256(number):
    return "ES256", ec.derive_private_key(int.from_bytes(bytes([number]) * 32, "big"), ec.SECP256R1())


def token(signer, payload, **header):
    algorithm, key = signer
    return jwt.api_jws.PyJWS().encode(payload.encode(), key, algorithm, header).encode()


PLAIN = '{"uid":"A","exp":1000001}'
tokens = [
    token(hmac(1), PLAIN),
    token(hmac(2), PLAIN, kid="two"),
    token(eddsa(1), '{"uid":["B","A"],"exp":1e12,"nbf":5.5,"iat":2000000}', kid="ed"),
    token(es256(1), '{ "aud":["x","api"], "u\\u0069d":"\\u0041", "exp":1000000.5 }', typ="at+jwt"),
    token(eddsa(2), '{"uid":"A","exp":1000001,"iss":"https://set"}', kid="set"),
    token(es256(2), '{"uid":"A","exp":1000050,"iat":999990,"iss":"https://set"}', kid="set"),
    token(hmac(1), '{"app":{"users":["A",7,"\\ud83d\\ude00"]},"uid":"A","exp":1000001,"x":[{"y":-0.5e-3},null,true]}'),
    token(hmac(1), PLAIN, typ="application/at+jwt", jku="http://x", x5c=[1]),
]


def decision(settings, header, payload, path="/api/users/$user/x"):
    return "\n\n".join((settings, header, payload, path)).encode()


ALG = '{"alg":"$alg"}'
decisions = [
    decision("", ALG, PLAIN),
    decision("b", '{"alg":"$alg","kid":"two","typ":"JWT"}', '{"uid":"a bé","exp":1000001}'),
    decision("c", '{"alg":"$alg","kid":"ed"}', '{"uid":42,"exp":1e7,"nbf":999999.5}', "/api/users/42"),
    decision("d", '{"kid":"?","alg":"$alg"}', '{"uid":["A","B",7],"exp":1000001}', "/api/users/7/"),
    decision("e", ALG, '{"uid":"A","exp":1000001,"iss":"https://set"}'),
    decision("f", '{"alg":"$alg","kid":"set"}', '{"iss":"https:\\/\\/set","uid":"A","exp":1000001}'),
    decision("aab", ALG, '{"uid":"B","exp":1000001}', "/anything/../else"),
    decision("aac", ALG, '{"app":{"users":["A"]},"exp":1000001}', "/api/users//A"),
    decision("aad", ALG, '{"app":{"users":["A"]},"exp":1000001}'),
    decision("eae", ALG, '{"uid":"A","exp":1000001,"iss":"https://set"}'),
    decision("aaf", ALG, '{"uid":"A","exp":1000001,"aud":["x","app"]}'),
    decision("aag", '{"alg":"$alg","typ":"Application/AT+jwt"}', PLAIN),
    decision("aahd", ALG, '{"uid":"A","exp":1000009,"iat":1000000}'),
    decision("aai", ALG, '{"uid":"A","exp":1000050,"iat":1000900}'),
    decision("aaj", '{"alg":"$alg"}', PLAIN),
    decision("aaaaab", ALG, PLAIN, "/api/users/%41/caf%C3%A9?x"),
    decision("aaaab", ALG, PLAIN),
]

BEARERS = [b"Bearer abc.def.ghi", b"bearer x", b"BEARER   a b  ", b"Bearer \tT", b'bEARER "T" ']

OBJECTS = [
    b"{}", b' { } \n', PLAIN.encode(), b'{"a":{"a":{"a":[1,[2],{}]}},"b":[{"a":1},{"a":1}]}',
    b'{"n":[0,-0,1.5,-1.5e-3,2E+10,1e999,123456789012345678901234567890],"w":[null,true,false]}',
    '{"esc":"\\" \\\\ \\/ \\b\\f\\n\\r\\t \\u00e9 \\ud83d\\ude00","u\\u0069d":"x","\u00e9\u20ac":"\U0001f600 and more"}'.encode(),
    b'{"short":"","a string of some length":"and another one, longer than eight bytes","\x7f":"\xc2\x80"}',
    b"{" + b",".join(b'"member%d":%d' % (i, i) for i in range(20)) + b"}", b'{"x":' + b"[" * 126 + b"]" * 126 + b"}",
]

PATHS = [
    b"/", b"/api/users/A", b"/api/users/A/x/", b"/api/users/A?x=/../B;%2f#\\", b"/a%20b/c", b"/%41", b"/.well-known/x",
    b"/a.b/..c/...d", b"/caf%C3%A9", b"/\xf0\x9f\x98\x80/%e2%82%ac", b"/api/users/B/%20x/+@:,", b"/old/A\n/api/users/A",
    b"/old/A%20b?x\n/api/users/A b/", b"/\n/\xc3\xa9",
]

GUARDED = [
    b"A\n/api/users/A", b"A\n/API/Users/A/x?y", b"A\n/api;x/users/A", b"B\n//api//users//B", b"B\n/x/..;/api/users/B",
    b"B\n/%2561pi/users/B", b"B\n/api%5cusers%5CB", "café\n/api/users/caf%C3%A9".encode(),
    b"a b\n/api/users/a%20b", b"A\n/old/A\n/api/users/A", b"B\n/ap%01i/users/B", b"B\n/y/../api/users/B/%2500/../../..",
    b"B\n/x/%c0%ae%c0%ae/api%c0%afusers%e0%80%afB",
]


def jwk(name, **members):
    return json.loads((DATA / f"{name}.jwk").read_text()) | members


def keys(*members):
    return json.dumps({"keys": members}).encode()


SETS = [
    b"0" + keys(*(jwk(name) for name in PUBLIC)),
    b"1" + keys(jwk("rsa", alg="PS256", use="sig"), jwk("p256", key_ops=["sign", "verify"]), {"kty": "oct", "k": "AA"}),
    b"2" + keys(jwk("rsa"), jwk("p521"), jwk("ed25519", alg="Ed25519")),
    b"3" + keys(jwk("p384", use="sig", alg="ES384"), jwk("secp256k1"), {"kty": 1}, 7),
    b"0" + keys(jwk("ed25519"), jwk("p256", use="enc"), jwk("ed448"), jwk("rsa1024")),
]

FILES = [b"0" + (DATA / f"{name}.{form}").read_bytes() for name in PUBLIC for form in ("pem", "crt", "jwk")]
FILES += [
    b"0" + (DATA / "rsa.pkcs1.pem").read_bytes(),
    b"0explained\n" + (DATA / "p256.pem").read_bytes() + b"\n" + (DATA / "ed25519.crt").read_bytes(),
    b"1" + json.dumps(jwk("rsa", alg="PS256")).encode(),
    *SETS[:3],
]


# What coverage alone would not keep.
CASES = {
    "object": [
        b"", b"[]", b'{"a":1,"a":1}', b'{"a":1,"\\u0061":2}', b'{"x":[{"a":1,"a":2}]}', b'{"a":01}', b'{"a":1.}', b'{"a":-}',
        b'{"a":1e+}', b'{"a":.5}', b'{"a":tru}', b'{"a":truex}', b'{"a":"\x01"}', b'{"a":"01234567\x1f"}', b'{"a":"\\x"}',
        b'{"a":"\\ud800"}', b'{"a":"\\', b'{"a":"\\"}', b'{"a":1,}', b'{,}', b'{"a" 1}', b'{"a":1 "b":2}', b'{"a":[1,]}',
        b'{"a":[1 2]}', b"{}x", b'\xef\xbb\xbf{}', b'{"a":"\xff"}', b"{" + b",".join(b'"m%d":0' % (i % 19) for i in range(20)) + b"}",
        b'{"x":' + b"[" * 127 + b"]" * 127 + b"}", b'{"\x00":1}', b"{'a':1}", b'{"a":\x0b1}', b'{"a":1}\x00',
    ],
    "bearer": [b"", b"Bearer", b"Bearer ", b" Bearer T", b"Bearer\tT", b"BearerT", b"Basic QTpC", b"Bearer\xa0T"],
    "token": [
        tokens[0] + b"=", tokens[0] + b".", tokens[0][:-1], tokens[0].replace(b".", b"..", 1), tokens[0].swapcase(),
        token(hmac(3), PLAIN), token(hmac(1), '{"uid":"a","exp":1000001}'), token(hmac(1), '{"uid":"A","exp":1000000}'),
        token(hmac(1), PLAIN, crit=None), token(hmac(2), PLAIN, kid="set"), token(hmac(1), "[]"), token(hmac(1), "{}"),
    ],
    "decision": [
        decision("", ALG, '{"uid":"A","exp":1000001}', "/api/users/a"),
        decision("", ALG, '{"uid":"A ","exp":1000001}', "/api/users/A"),
        decision("", ALG, '{"uid":["B","C"],"exp":1000001}', "/api/users/A"),
        decision("", ALG, '{"uid":1e1,"exp":1000001}', "/api/users/10"),
        decision("", ALG, '{"uid":"A","exp":1000000}'),
        decision("aaab", ALG, '{"uid":"A","exp":999999}'),
        decision("", ALG, '{"uid":"A","exp":1000001,"nbf":1000000.5}'),
        decision("", ALG, '{"uid":"A","uid":"A","exp":1000001}'),
        decision("", '{"alg":"$alg","crit":null}', PLAIN),
        decision("", '{"alg":"$alg","crit":[]}', PLAIN),
        decision("", '{"alg":"$alg","kid":null}', PLAIN),
        decision("", '{"alg":"$alg","typ":null}', PLAIN),
        decision("", '{"alg":"$alg","x":[1e999]}', PLAIN),
        decision("b", '{"alg":"$alg","kid":"ed"}', PLAIN),
        decision("c", '{"alg":"ES256"}', PLAIN),
        decision("e", '{"alg":"$alg","kid":"set"}', '{"uid":"A","exp":1000001,"iss":"https://a"}'),
        decision("j", '{"alg":"HS256"}', PLAIN),
        decision("k", '{"alg":"none"}', PLAIN),
        decision("a" + "q", ALG, PLAIN),
    ],
    "guard": [b"\n" + path for path in (
        b"/api/users/A;B", b"/api/users/A;/../B", b"/x;/api/users/A", b"/api/users/A/..;/B/x",
        b"/api/users/B/x;y/../../A", b"/x/y;/../../api/users/A", b"/;a/../api/users/B", b"/api/users/B;/../../../x",
    )],
    "path": [b"/api/users/A;x", b"/api/users/A%3bx", b"/api/users/A/...", b"/api/users/A/%20../B", b"/api/users/A%ff"],
    "key_file": [
        b"0" + (DATA / "ed25519.pem").read_bytes().replace(b"PUBLIC KEY", label)
        for label in (b"PUBLIC", b"EC PUBLIC KEY", b"PRIVATE KEY", b"PUBLIC KEY ", b"X509 CRL")
    ],
    "key_set": [b"0" + keys(jwk("p256", use="enc", key_ops=["verify"])), b"0" + keys(jwk("p256", d="AA"))],
}


def write(kind, target, inputs):
    directory = HERE / kind / target
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.iterdir():
        old.unlink()
    for number, data in enumerate(inputs, 1):
        (directory / f"{number:02}").write_bytes(data)


for target, inputs in {
    "bearer": BEARERS, "object": OBJECTS, "token": tokens, "decision": decisions, "path": PATHS, "guard": GUARDED,
    "key_file": FILES, "key_set": SETS,
}.items():
    write("seeds", target, inputs)
for target, inputs in CASES.items():
    write("cases", target, inputs)
