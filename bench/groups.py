"""What is compared with what: groups of sides that are sent the same requests."""

import json
from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass

import cores
from figures import FETCHED
from servers import HERE, MODULE, ROOT, TARGET, Nginx, Room, Server

LOCATION = r"location ~ ^/api/users/(?<user_id>[^/]+)(?:/|$)"
ASYMMETRIC = ("RS256", "ES256", "ES512", "EdDSA")
KID = "kT4mZ8qLr2VxWc6NpB0yHd9sJf3GaE7u"
PATH = "/api/users/{user}/file"
# Requests in a second from a client on a core of its own: a third of what a worker carries with its client on one, or, where
# the kernel's part costs three times as much, nearly all.
PACE = 40_000
# An nginx with a module that does nothing but check the signature, where it has checked the same (arithmetic/).
ARITHMETIC = ROOT / "target/release/libarithmetic.so"
NJS = TARGET / "njs/usr/lib/nginx/modules/ngx_http_js_module.so"
# To be repeated wherever another proxy_set_header is: one replaces all that were inherited.
KEPT_ALIVE = 'proxy_set_header Connection "";'
# What a check answers to each kind of token.
STATUS = {"repeated": 200, "new": 200, "none": 401, "expired": 401, "bad-signature": 401, "other-user": 403}
REFUSED = ("none", "expired", "other-user", "bad-signature")


@dataclass(frozen=True)
class Group:
    """Sides that are sent the same requests; the first is what the others are compared with."""

    name: str
    algorithm: str
    kind: str
    sides: tuple[str, ...]
    # Of the requests that are asked for.
    share: float = 1
    # Requests in a second; 0 for as many as can be had.
    rate: int = 0
    # The client has a core of its own, and the sides take turns as they do without a rate.
    apart: bool = False


def located(body: str) -> str:
    return f"        {LOCATION} {{\n            {body}\n        }}"


def keys(room: Room, algorithm: str) -> str:
    if algorithm == "HS256":
        return f"jwt_user_scope_secret file:{room.keys}/HS256.key;"
    return f"jwt_user_scope_key_file {room.keys}/{algorithm}.pem kid={KID};"


def has_cache(room: Room) -> bool:
    """Whether the module knows `jwt_user_scope_cache`, and so remembers tokens that it has verified."""
    servers = {"any": located("jwt_user_scope_cache off;")}
    return Nginx(room, "probe", (MODULE,)).accepts(servers)


def ours(room: Room, algorithm: str, more: str = "") -> str:
    return located(f"jwt_user_scope on; {keys(room, algorithm)} {more}")


def fetching(room: Room) -> str:
    """A location whose key is in a set that nginx serves to itself."""
    lines = (room.keys / "EdDSA.pem").read_text().splitlines()
    # RFC 8410 section 4: the key is what a SubjectPublicKeyInfo ends with.
    der = b64decode("".join(lines[1:-1]))
    x = urlsafe_b64encode(der[-32:]).decode().rstrip("=")
    key = {"kty": "OKP", "crv": "Ed25519", "kid": KID, "x": x}
    (room.directory / "root/_jwks").write_text(json.dumps({"keys": [key]}))
    return located("jwt_user_scope on; jwt_user_scope_key_request /_jwks;") + "\n        location = /_jwks { internal; }"


class Stack:
    """Every server of the comparison, running."""

    def __init__(self, room: Room, cache: bool, fastapi: bool):
        self.room, self.cache, self.fastapi = room, cache, fastapi
        self.njs = NJS.is_file()
        self.sides: dict[str, Server] = {}
        self.nginxes: list[Nginx] = []
        if fastapi:
            self.apps = {app: room.uvicorn(app) for app in ("plain", "checked", "check")}
            self.sides["FastAPI"] = self.apps["plain"]
            self.sides["FastAPI, dependency"] = self.apps["checked"]
        self.start()

    def start(self) -> None:
        """Starts every nginx. A process of its own lays out its memory in its own way, so each round has new ones."""
        self.start_bare()
        self.start_arithmetic()
        self.start_ours()
        if self.njs:
            self.start_njs()

    def restart(self) -> None:
        self.stop()
        self.nginxes.clear()
        self.start()

    def upstreams(self) -> str:
        if not self.fastapi:
            return ""
        upstream = "    upstream {} {{ server 127.0.0.1:{}; keepalive 64; }}\n"
        pools = "".join(upstream.format(f"fastapi_{name}", app.port) for name, app in self.apps.items())
        return f"{pools}    proxy_http_version 1.1; {KEPT_ALIVE}"

    def run(self, nginx: Nginx, servers: dict[str, str], behind: dict[str, tuple[str, ...]] | None = None) -> None:
        started = nginx.start(servers)
        self.nginxes.append(nginx)
        for name, server in started.items():
            for app in (behind or {}).get(name, ()):
                server = server.behind_it(self.apps[app])
            self.sides[name] = server

    def start_bare(self) -> None:
        servers = {"bare": located(""), "denied": located("deny all;")}
        behind = {}
        if self.fastapi:
            auth = "auth_request /_check;"
            check = f"""
        location = /_check {{
            internal; proxy_pass http://fastapi_check/check; proxy_pass_request_body off;
            proxy_set_header X-User-ID $user_id; proxy_set_header Content-Length ""; {KEPT_ALIVE}
        }}"""
            servers |= {
                "auth_request": located(auth) + check,
                "proxy": located("proxy_pass http://fastapi_plain;"),
                "proxy, dependency": located("proxy_pass http://fastapi_checked;"),
                "proxy, auth_request": located(f"{auth} proxy_pass http://fastapi_plain;") + check,
            }
            behind = {
                "auth_request": ("check",),
                "proxy": ("plain",),
                "proxy, dependency": ("checked",),
                "proxy, auth_request": ("plain", "check"),
            }
        self.run(Nginx(self.room, "bare", http=self.upstreams()), servers, behind)

    def start_arithmetic(self) -> None:
        servers = {
            f"{what} {algorithm}": located(f"arithmetic {what} {algorithm} {self.room.keys};")
            for algorithm in ("HS256", *ASYMMETRIC)
            for what in ("plain", "check")
        }
        self.run(Nginx(self.room, "arithmetic", (ARITHMETIC,)), servers)

    def start_ours(self) -> None:
        servers = {"elsewhere": located(""), "off": located("jwt_user_scope off;")}
        for algorithm in ("HS256", *ASYMMETRIC):
            servers[f"ours {algorithm}"] = ours(self.room, algorithm)
            if self.cache:
                servers[f"ours {algorithm}, cache off"] = ours(self.room, algorithm, "jwt_user_scope_cache off;")
        servers[FETCHED] = fetching(self.room)
        limit = "limit_req zone=addresses burst=20 nodelay; limit_req_status 429;"
        servers["ours EdDSA, limit_req"] = ours(self.room, "EdDSA", limit)
        http = f"{self.upstreams()}\n    limit_req_zone $binary_remote_addr zone=addresses:10m rate=100r/s;"
        behind = {}
        if self.fastapi:
            forward = f"proxy_set_header X-User-ID $jwt_user_scope_user; {KEPT_ALIVE} proxy_pass http://fastapi_plain;"
            servers["proxy, ours"] = ours(self.room, "HS256", forward)
            behind["proxy, ours"] = ("plain",)
        self.run(Nginx(self.room, "ours", (MODULE,), http), servers, behind)

    def start_njs(self) -> None:
        secret = (self.room.keys / "HS256.key").read_text()
        script = (HERE / "check.js").read_text().replace("@SECRET@", secret)
        (self.room.directory / "check.js").write_text(script)
        check = "if ($status_of_check = 401) { return 401; } if ($status_of_check = 403) { return 403; }"
        servers = {
            "njs, js_set": located(check),
            "njs, auth_request": located("auth_request /_check;")
            + "\n        location = /_check { internal; js_content check.answer; }",
        }
        http = f"    js_path {self.room.directory}; js_import check.js; js_set $status_of_check check.status;"
        self.run(Nginx(self.room, "njs", (NJS,), http), servers)

    def stop(self) -> None:
        for nginx in self.nginxes:
            nginx.stop()


def groups(stack: Stack) -> list[Group]:
    njs = ("njs, js_set", "njs, auth_request") if stack.njs else ()
    every = [
        Group("HS256 repeated", "HS256", "repeated", ("bare", "elsewhere", "off", "ours HS256", *njs)),
        Group("HS256 new", "HS256", "new", ("bare", "ours HS256", *njs, *arithmetic("HS256"))),
    ]
    for algorithm in ASYMMETRIC:
        share = 0.05 if algorithm == "ES512" else 0.2
        every.append(Group(f"{algorithm} repeated", algorithm, "repeated", repeated(algorithm), 0.5))
        every.append(Group(f"{algorithm} new", algorithm, "new", ("bare", f"ours {algorithm}", *arithmetic(algorithm)), share))
    if stack.cache:
        # By themselves: whoever runs after a costly signature check finds the processor's caches full of it.
        for algorithm in ("HS256", *ASYMMETRIC):
            sides = ("bare", f"ours {algorithm}, cache off")
            share = {"HS256": 1, "ES512": 0.05}.get(algorithm, 0.2)
            every.append(Group(f"{algorithm} repeated, cache off", algorithm, "repeated", sides, share))
    for kind in REFUSED:
        every.append(Group(f"HS256 {kind}", "HS256", kind, ("denied", "ours HS256", *njs)))
    for algorithm in ASYMMETRIC:
        more = ("ours EdDSA, limit_req",) if algorithm == "EdDSA" else ()
        share = 0.05 if algorithm == "ES512" else 0.2
        sides = ("denied", f"ours {algorithm}", *more)
        every.append(Group(f"{algorithm} bad-signature", algorithm, "bad-signature", sides, share))
    every += paced_groups()
    every.append(Group("HS256 new, paced", "HS256", "new", ("bare", "ours HS256", *njs), 0.1, rate=5000))
    every.append(Group("EdDSA new, paced", "EdDSA", "new", ("bare", "ours EdDSA"), 0.1, rate=5000))
    if stack.fastapi:
        every += fastapi_groups()
    return every


def repeated(algorithm: str) -> tuple[str, ...]:
    """The sides that are sent one token again and again."""
    return ("bare", f"ours {algorithm}", *((FETCHED,) if algorithm == "EdDSA" else ()))


def paced_groups() -> list[Group]:
    """What the aims are about, for a worker that is not at its limit. New tokens of the other algorithms are left out: some
    of their signatures take longer than the pace allows, and what they may add is not told as a share."""
    if cores.OTHER is None:
        return []

    def group(algorithm: str, kind: str, sides: tuple[str, ...], share: float) -> Group:
        return Group(f"{algorithm} {kind}, at a pace", algorithm, kind, sides, share, PACE, apart=True)

    found = [group("HS256", "new", ("bare", "ours HS256", *arithmetic("HS256")), 0.6)]
    found += [group(each, "repeated", repeated(each), 0.3) for each in ("HS256", *ASYMMETRIC)]
    found += [group("HS256", kind, ("denied", "ours HS256"), 0.6) for kind in REFUSED]
    return found


def fastapi_groups() -> list[Group]:
    share = 0.02
    proxied = ("proxy", "proxy, ours", "proxy, dependency", "proxy, auth_request")
    alone = ("FastAPI", "FastAPI, dependency")
    found = [Group("before FastAPI, paced", "HS256", "repeated", proxied, 0.02, rate=500)]
    for kind in ("repeated", "bad-signature"):
        checked = ("bare" if kind == "repeated" else "denied", "auth_request")
        found += [
            Group(f"check by FastAPI, {kind}", "HS256", kind, checked, share),
            Group(f"before FastAPI, {kind}", "HS256", kind, proxied, share),
            Group(f"FastAPI alone, {kind}", "HS256", kind, alone, share),
        ]
    return found


def arithmetic(algorithm: str) -> tuple[str, str]:
    """The sides whose difference is a bare signature check."""
    return f"plain {algorithm}", f"check {algorithm}"


def is_open(side: str) -> bool:
    """Whether a side has no check, and so answers every request."""
    return side in ("bare", "elsewhere", "off", "proxy", "FastAPI") or side.startswith("plain ")


def expected(side: str, kind: str) -> list[int]:
    if is_open(side):
        return [200]
    if side == "denied":
        return [403]
    # What is over the limit is refused without a look at its token.
    return [STATUS[kind]] + ([429] if side.endswith("limit_req") else [])
