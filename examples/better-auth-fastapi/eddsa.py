"""Better Auth as it comes, with EdDSA and keys that it publishes, behind an nginx that fetches them.

Requests run all the time: while Better Auth changes its key, while nginx reloads, and after Better Auth was stopped.
"""

import re
import signal
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from client import Server
from stack import PATIENCE, Stack, stop
from tokens import altered, claims_of, header_of, sign
from users import User, sign_up, token

ROTATION = 12  # seconds; nginx fetches early once in ten
Check = tuple[str, list[str]]


class Site:
    """Better Auth and nginx of their own, with the FastAPI of the stack behind them."""

    def __init__(self, stack: Stack):
        self.stack, self.directory = stack, stack.directory / "eddsa"
        self.directory.mkdir()
        listening = socket.create_server(("127.0.0.1", 0), backlog=511)
        self.public = Server(listening.getsockname()[1])
        self.better_auth = stack.start_better_auth("eddsa", self.public, "./eddsa.js", KEY_ROTATION=str(ROTATION))
        self.nginx = stack.run_nginx("eddsa-nginx", self.directory, self.configuration("10m"), self.public, listening)

    def configuration(self, valid: str) -> str:
        values = {"BETTER_AUTH": self.better_auth, "PORT": str(self.public.at), "VALID": valid}
        return self.stack.configuration("eddsa.conf", **values)

    def ask(self, bearer: str, user: User) -> tuple[int, str | None]:
        """The status, and whom FastAPI was told."""
        answer = self.public.send("GET", f"/api/users/{user.id}/profile", [("Authorization", f"Bearer {bearer}")])
        told = ", ".join(answer.json()["x_user_id"]) if answer.status == 200 else None
        return answer.status, told

    def stop_better_auth(self) -> None:
        stop(self.stack.processes.pop("eddsa"))

    def reload(self, valid: str) -> None:
        before = self.workers()
        (self.directory / "nginx.conf").write_text(self.configuration(valid))
        self.nginx.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + PATIENCE
        while self.workers() & before and time.monotonic() < deadline:
            time.sleep(0.05)

    def workers(self) -> set[str]:
        return set(Path(f"/proc/{self.nginx.pid}/task/{self.nginx.pid}/children").read_text().split())

    def fetches(self) -> int:
        return sum(line.startswith("/_jwks ") for line in self.log("access.log"))

    def log(self, name: str) -> list[str]:
        return (self.directory / name).read_text("latin-1").splitlines()


@dataclass
class Load:
    """Asks with one token all the time, in a thread of its own."""

    site: Site
    user: User
    asked: int = 0
    wrong: list[str] = field(default_factory=list)

    def __enter__(self) -> "Load":
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.done.set()
        self.thread.join()

    def run(self) -> None:
        while not self.done.wait(0.02):
            found = self.site.ask(self.user.token, self.user)
            self.asked += 1
            if found != (200, self.user.id):
                self.wrong.append(f"request {self.asked}: {found}")


def walk(stack: Stack) -> list[Check]:
    site = Site(stack)
    alice, bob = sign_up(site.public, "alice"), sign_up(site.public, "bob")
    begun = time.monotonic()
    checks = [("EdDSA: decisions on tokens of Better Auth's default", decisions(site, alice, bob))]
    with Load(site, alice) as load:
        time.sleep(max(0.0, begun + ROTATION + 0.5 - time.monotonic()))
        checks.append(("EdDSA: a new key signs, and its first token passes", rotated(site, alice)))
        site.stop_better_auth()
        site.reload("1s")
        time.sleep(3)
    few = [] if load.asked > 100 else ["too few to tell"]
    checks.append((f"EdDSA: {load.asked} requests meanwhile, also with Better Auth stopped", load.wrong + few))
    checks.append(("EdDSA: nginx went on trying, logged no token, and no worker died", logs(site, alice)))
    return checks


def expected(what: str, wanted, found) -> list[str]:
    return [] if wanted == found else [f"{what}: expected {wanted!r}, found {found!r}"]


def decisions(site: Site, alice: User, bob: User) -> list[str]:
    published = site.public.send("GET", "/api/auth/jwks")
    key = published.json()["keys"][0]
    claims, header = claims_of(alice.token), header_of(alice.token)
    hs256 = {"alg": "HS256", "kid": header["kid"]}
    forged = {
        "altered": altered(alice.token, 2)[0],
        "under the shared secret": sign(claims, site.stack.secret, hs256),
        "under the text of the public key": sign(claims, key["x"], hs256),
        "under the published set": sign(claims, published.body.decode(), hs256),
        "under a kid of its own": sign(claims, site.stack.secret, header | {"kid": "another"}),
    }
    wrong = expected("header", {"alg": "EdDSA", "kid": key["kid"]}, header)
    wrong += expected("own path", (200, alice.id), site.ask(alice.token, alice))
    wrong += expected("other's path", (403, None), site.ask(alice.token, bob))
    wrong += expected("the other's own", (200, bob.id), site.ask(bob.token, bob))
    for what, bearer in forged.items():
        wrong += expected(f"a token {what}", (401, None), site.ask(bearer, alice))
    return wrong + expected("fetches", 1, site.fetches())


def rotated(site: Site, alice: User) -> list[str]:
    bearer = token(site.public, alice.cookie)
    wrong = [] if header_of(bearer)["kid"] != header_of(alice.token)["kid"] else ["the key is still the old one"]
    wrong += expected("its first token", (200, alice.id), site.ask(bearer, alice))
    wrong += expected("a token of the old key", (200, alice.id), site.ask(alice.token, alice))
    return wrong + expected("fetches", 2, site.fetches())


def logs(site: Site, alice: User) -> list[str]:
    site.nginx.send_signal(signal.SIGQUIT)  # so that it finishes its requests and its logs
    site.nginx.wait(PATIENCE)
    del site.stack.processes["eddsa-nginx"]
    errors = site.log("error.log")
    text = "\n".join(errors + site.log("access.log"))
    wrong = [line for line in errors if re.search(r"\[(alert|crit|emerg)\]|exited on signal", line)]
    if not any("was not fetched" in line for line in errors):
        wrong.append("nginx did not try to fetch the keys again")
    secrets = [*alice.token.split("."), alice.cookie, site.stack.secret]
    return wrong + [f"in a log: {secret[:8]}..." for secret in secrets if secret in text]
