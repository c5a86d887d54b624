"""The three that judge a token: nginx with the module, PyJWT, and jose."""

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import time
import warnings
from pathlib import Path
from urllib.parse import quote

import jwt

from keys import Key
from making import Token

HERE = Path(__file__).resolve().parent
PATIENCE = 60  # seconds until a server must be there; the machine may be loaded
Verdict = tuple[bool, str]  # whether the token opens its path, and why not

# The smallest answer that a content handler makes: what stands in the rewrite phase would come before the check.
LOCATION = """
        location ~ ^/{algorithm}/users/(?<user_id>[^/]+)(?:/|$) {{
            jwt_user_scope on;
            jwt_user_scope_algorithms {names};
            {key};
            empty_gif;
        }}
"""
CONFIGURATION = """
load_module {module};
worker_processes 1;
daemon off;
pid nginx.pid;
error_log error.log crit;
events {{ worker_connections 64; }}
http {{
    access_log off;
    large_client_header_buffers 4 32k;
    keepalive_requests 100000000;
    keepalive_timeout 1h;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    server {{
        listen unix:{socket};
        add_header X-Result $jwt_user_scope_result always;{locations}
    }}
}}
"""


class Nginx:
    """A real nginx on a socket in a directory of its own."""

    def __init__(self, directory: Path, keys: dict[str, Key]):
        self.directory, self.socket = directory, directory / "socket"
        locations = "".join(self.location(key) for key in keys.values())
        module = Path(os.environ["NGINX_MODULE"]).absolute()
        configuration = CONFIGURATION.format(module=module, socket=self.socket, locations=locations)
        (directory / "nginx.conf").write_text(configuration)
        command = [nginx(), "-p", f"{directory}/", "-c", "nginx.conf", "-e", "error.log"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self.wait()
        self.connections = [Connection(self.socket) for _ in range(4)]
        self.asked = 0

    def location(self, key: Key) -> str:
        file = self.directory / f"{key.algorithm}.key"
        file.touch(0o600)
        file.write_bytes(key.private.hex().encode() if key.is_secret else key.pem)
        secret = f"jwt_user_scope_secret file:{file} encoding=hex"
        directive = secret if key.is_secret else f"jwt_user_scope_key_file {file}"
        return LOCATION.format(algorithm=key.algorithm, names=" ".join(key.names), key=directive)

    def wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                return Connection(self.socket).close()
            except OSError:
                time.sleep(0.05)
        self.process.kill()
        raise RuntimeError(f"nginx did not start:\n{self.errors()}")

    def errors(self) -> str:
        file = self.directory / "error.log"
        return file.read_text("latin-1") if file.exists() else ""

    def judge(self, token: Token) -> Verdict:
        self.asked += 1
        connection = self.connections[self.asked % len(self.connections)]
        status, word = connection.ask(f"/{token.algorithm}/users/{quote(token.user)}/x", token.text)
        if status not in (200, 400, 401, 403):
            raise RuntimeError(f"nginx answered {status} {word}")
        return status == 200, word

    def stop(self) -> None:
        for connection in self.connections:
            connection.close()
        self.process.terminate()
        self.process.wait(PATIENCE)


def nginx() -> str:
    # A user's PATH on Debian lacks /usr/sbin.
    found = shutil.which(os.environ.get("NGINX") or "nginx", path=f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin")
    if not found:
        raise RuntimeError("nginx is not installed")
    return found


class Connection:
    """One that is kept alive; nginx closes it behind a request that it cannot read."""

    def __init__(self, path: Path):
        self.path, self.socket = path, None
        self.open()

    def open(self) -> None:
        self.close()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(self.path))

    def close(self) -> None:
        if self.socket:
            self.socket.close()

    def ask(self, path: str, token: str) -> tuple[int, str]:
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
        self.socket.sendall(request.encode("latin-1"))
        answer = self.read_until(b"", lambda answer: b"\r\n\r\n" in answer)
        head, body = answer.split(b"\r\n\r\n", 1)
        length = int(re.search(rb"(?i)\r\ncontent-length: (\d+)", head)[1])
        self.read_until(body, lambda body: len(body) >= length)
        if re.search(rb"(?i)\r\nconnection: close", head):
            self.open()
        word = re.search(rb"\r\nX-Result: (\w+)", head)
        return int(head.split()[1]), word[1].decode() if word else ""

    def read_until(self, data: bytes, is_whole) -> bytes:
        while not is_whole(data):
            if not (more := self.socket.recv(65536)):
                raise RuntimeError("nginx closed a connection in the middle of an answer")
            data += more
        return data


class PyJWT:
    """As it comes, and as applications use it: `exp` and the user claim are required."""

    def __init__(self, keys: dict[str, Key]):
        self.keys = keys
        warnings.simplefilter("ignore")
        # The new name of EdDSA with such a key (RFC 9864 section 2.2), which it does not know of itself.
        if "Ed25519" not in jwt.algorithms.get_default_algorithms():
            jwt.register_algorithm("Ed25519", jwt.algorithms.OKPAlgorithm())

    def judge(self, token: Token) -> Verdict:
        key = self.keys[token.algorithm]
        try:
            jwt.decode(as_sent(token), key.private if key.is_secret else key.pem, algorithms=key.names,
                       options={"require": ["exp", "uid"]})
        except jwt.PyJWTError as error:
            return False, type(error).__name__
        except Exception as error:  # not what its documentation promises, and no acceptance either
            return False, f"unexpected {type(error).__name__}"
        return verdict(token, "ok")


class Jose:
    """In a Node of its own, which is handed many tokens at a time."""

    def __init__(self, directory: Path, keys: dict[str, Key]):
        worker = directory / "jose.mjs"
        shutil.copyfile(HERE / "jose.mjs", worker)  # Node looks for packages beside the file
        command = ["node", *node_flags(), str(worker)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.write({key.algorithm: described(key) for key in keys.values()})
        self.version = self.read()

    def hand(self, tokens: list[Token]) -> None:
        self.write([[token.algorithm, as_sent(token)] for token in tokens])

    def verdicts(self, tokens: list[Token]) -> list[Verdict]:
        return [verdict(token, code) for token, code in zip(tokens, self.read(), strict=True)]

    def write(self, value) -> None:
        self.process.stdin.write(json.dumps(value).encode() + b"\n")
        self.process.stdin.flush()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("node has ended")
        return json.loads(line)

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait(PATIENCE)


def described(key: Key) -> dict:
    secret = base64.b64encode(key.private).decode() if key.is_secret else None
    return {"names": key.names, "secret": secret, "pem": None if key.is_secret else key.pem.decode()}


def node_flags() -> list[str]:
    """jose expects the global `crypto`, which Node 18 has behind a flag and later versions always."""
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return ["--experimental-global-webcrypto"] if int(version.lstrip("v").split(".")[0]) < 19 else []


def as_sent(token: Token) -> str:
    """Spaces around a header's value are not part of it (RFC 9110 section 5.5)."""
    return token.text.strip(" ")


# What an application does with the claims that a library hands it.


def verdict(token: Token, word: str) -> Verdict:
    """A library's, and if that accepts the token, the application's."""
    if word != "ok":
        return False, word
    return (True, "user") if names(token) else (False, "another user")


def names(token: Token) -> bool:
    """Whether the claims name the user of the path: text, a whole number as written, or a list of these."""
    segment = "".join(token.text.split(".")[1].rstrip("=").split())
    payload = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    uid = json.loads(payload, parse_int=str).get("uid")
    users = uid if isinstance(uid, list) else [uid]
    return all(isinstance(user, str) and user for user in users) and token.user in users
