"""The servers that are compared: nginx in several forms, and FastAPI. Each listens on a port that the kernel chose."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TARGET = ROOT / "target/bench"
MODULE = Path(os.environ.get("NGINX_MODULE", ROOT / "target/release/ngx_http_jwt_user_scope_module.so"))
USER = "JqT8w2ZcXh4VbN6mLk0RpYs3Gd9FaE5u"
PATIENCE = 60


class Failure(Exception):
    """What ends a run, said without a stack trace."""


def nginx_binary() -> str:
    path = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin"
    found = shutil.which(os.environ.get("NGINX") or "nginx", path=path)
    if not found:
        raise Failure("there is no nginx here; NGINX=/path/to/nginx names one")
    return found


def leave_on_signals() -> None:
    """Turns the signals that end a program into an exit that stops the servers first."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


@dataclass(frozen=True)
class Server:
    """Where a server listens, and whose processor time counts as its own."""

    port: int
    front: tuple[int, ...]
    behind: tuple[int, ...] = ()

    def behind_it(self, other: "Server") -> "Server":
        return Server(self.port, self.front, self.behind + other.front)


class Room:
    """A directory and the processes that live in it. Used with `with`: at its end none of it is left."""

    def __init__(self, native: Path):
        self.native = native
        self.cleanup = ExitStack()

    def __enter__(self) -> "Room":
        self.directory = Path(self.cleanup.enter_context(tempfile.TemporaryDirectory(prefix="jwt-bench-")))
        self.keys = self.directory / "keys"
        self.keys.mkdir(mode=0o700)
        self.call("keys", dir=self.keys)
        file = self.directory / f"root/api/users/{USER}/file"
        file.parent.mkdir(parents=True)
        file.write_text("x" * 600)
        return self

    def __exit__(self, *_) -> None:
        self.cleanup.close()

    def call(self, command: str, pinned_to: int | None = None, **options) -> str:
        """Runs the native part, on any core or on one."""
        return self.calls(command, [(pinned_to, options)])[0]

    def calls(self, command: str, each: list[tuple[int | None, dict]]) -> list[str]:
        """Runs it several times at once. With `gate`, all begin when each is ready."""
        started = []
        for pinned_to, options in each:
            words = [f"{name.replace('__', '.')}={value}" for name, value in options.items()]
            pin = [] if pinned_to is None else ["taskset", "-c", str(pinned_to)]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            started.append((words, subprocess.Popen([*pin, self.native, command, *words], text=True, **pipes)))
        gated = [process for (_, options), (_, process) in zip(each, started) if "gate" in options]
        # One that has failed says nothing, and there is nobody to be told.
        ready = [process for process in gated if process.stdout.readline()]
        for process in ready:
            process.stdin.write("\n")
            process.stdin.flush()
        found = [process.communicate() for _, process in started]
        for (words, process), (_, says) in zip(started, found):
            if process.returncode != 0:
                raise Failure(f"bench {command} {' '.join(words)}\n{says.strip()}")
        return [told for told, _ in found]

    def token(self, algorithm: str, kind: str) -> str:
        return self.call("token", keys=self.keys, algorithm=algorithm, kind=kind).strip()

    def spawn(self, name: str, command: list, environment: dict[str, str], **options) -> subprocess.Popen:
        """Starts a server in a session of its own: Ctrl-C reaches only us, and we stop it in order."""
        with open(self.directory / f"{name}.log", "wb") as log:
            process = subprocess.Popen(
                [str(word) for word in command],
                env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **options,
            )
        self.cleanup.callback(stop, process)
        return process

    def wait_for(self, name: str, process: subprocess.Popen, sign_of_life):
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            if seen := sign_of_life():
                return seen
            time.sleep(0.02)
        raise Failure(f"{name} did not start:\n{self.log(name)}")

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text(errors="replace")

    def empty_logs(self) -> None:
        for log in self.directory.glob("*-error.log"):
            os.truncate(log, 0)

    def uvicorn(self, app: str) -> Server:
        """One uvicorn process with one application of `app.py`."""
        command = [TARGET / "venv/bin/python", "-m", "uvicorn", f"app:{app}", "--app-dir", HERE, "--port", "0"]
        environment = {"BENCH_SECRET": (self.keys / "HS256.key").read_text()}
        process = self.spawn(f"uvicorn-{app}", [*command, "--no-access-log"], environment)
        pattern = re.compile(r"running on http://127\.0\.0\.1:(\d+)")
        seen = self.wait_for(f"uvicorn-{app}", process, lambda: pattern.search(self.log(f"uvicorn-{app}")))
        return Server(int(seen[1]), (process.pid,))


@dataclass
class Nginx:
    """One nginx: its modules, what its `http {}` begins with, and one server per name."""

    room: Room
    name: str
    modules: tuple[Path, ...] = ()
    http: str = ""
    workers: int = 1
    reuseport: bool = False

    def configuration(self, servers: dict[str, str], ports: dict[str, int]) -> str:
        load = "".join(f'load_module "{module}";\n' for module in self.modules)
        user = "user root;" if os.geteuid() == 0 else ""
        listen = " reuseport" if self.reuseport else ""
        blocks = "".join(
            f"    server {{\n        listen 127.0.0.1:{ports[name]}{listen};\n{body}\n    }}\n"
            for name, body in servers.items()
        )
        temporary = " ".join(
            f"{kind}_temp_path {self.name}-{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return f"""{load}{user} daemon off; worker_processes {self.workers}; pid {self.name}.pid;
error_log {self.name}-error.log error;
events {{ worker_connections 4096; }}
http {{
    access_log off; {temporary}
    sendfile on; root root;
    keepalive_requests 1000000000; keepalive_time 24h; keepalive_timeout 1h;
{self.http}
{blocks}}}
"""

    def command(self) -> list:
        return [nginx_binary(), "-p", f"{self.room.directory}/", "-c", f"{self.name}.conf", "-e", f"{self.name}-error.log"]

    def accepts(self, servers: dict[str, str]) -> bool:
        """Whether `nginx -t` does."""
        (self.room.directory / f"{self.name}.conf").write_text(self.configuration(servers, dict.fromkeys(servers, 1)))
        return subprocess.run([*self.command(), "-t"], capture_output=True).returncode == 0

    def start(self, servers: dict[str, str]) -> dict[str, Server]:
        sockets = {name: self.listen() for name in servers}
        ports = {name: listening.getsockname()[1] for name, listening in sockets.items()}
        (self.room.directory / f"{self.name}.conf").write_text(self.configuration(servers, ports))
        descriptors = [listening.fileno() for listening in sockets.values()]
        # nginx takes over the open sockets that this variable names, as it does when its binary is upgraded.
        environment = {"NGINX": "".join(f"{descriptor};" for descriptor in descriptors)}
        self.process = self.room.spawn(self.name, self.command(), environment, pass_fds=descriptors)
        for listening in sockets.values():
            listening.close()
        workers = self.room.wait_for(self.name, self.process, self.ready)
        return {name: Server(port, workers) for name, port in ports.items()}

    def listen(self) -> socket.socket:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if self.reuseport:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind(("127.0.0.1", 0))
        listening.listen(511)
        listening.setblocking(False)
        return listening

    def ready(self) -> tuple[int, ...]:
        """The workers, once there are all of them."""
        workers = children_of(self.process.pid)
        return workers if len(workers) == self.workers else ()

    def stop(self) -> None:
        stop(self.process)


def children_of(parent: int) -> tuple[int, ...]:
    try:
        return tuple(int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
    except OSError:
        return ()


def stop(process: subprocess.Popen) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
