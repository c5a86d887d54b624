"""Installs and runs the example's servers: Better Auth, FastAPI, nginx, and for the test the reference."""

import fcntl
import grp
import hashlib
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from client import Server

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
INSTALLED = REPOSITORY / "target" / "example"
AUTH = INSTALLED / "auth"
VENV = INSTALLED / "venv"
PATIENCE = 60  # seconds until a server must answer; a loaded machine starts Node slowly


class Failure(Exception):
    """Something that the one who runs the example has to see to; its text says what."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# What has to be there.


def module() -> Path:
    path = os.environ.get("NGINX_MODULE")
    found = Path(path or REPOSITORY / "target/release/ngx_http_jwt_user_scope_module.so").absolute()
    if not found.is_file():
        raise Failure(f"{found} is not there: run `make build`, or name the module in NGINX_MODULE")
    return found


def nginx() -> str:
    return needed(os.environ.get("NGINX") or "nginx")


def needed(command: str) -> str:
    # A user's PATH on Debian lacks /usr/sbin.
    found = shutil.which(command, path=f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin")
    if not found:
        raise Failure(f"{command} is not installed")
    return found


# Installation, in target/example.


def install() -> None:
    """Installs what the lock files name, once; the source tree stays as it is."""
    INSTALLED.mkdir(parents=True, exist_ok=True)
    with open(INSTALLED / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        install_better_auth()
        install_fastapi()


def install_better_auth() -> None:
    AUTH.mkdir(exist_ok=True)
    for file in (HERE / "auth").iterdir():
        if file.is_file():
            shutil.copyfile(file, AUTH / file.name)
    with once(AUTH / "node_modules", (AUTH / "package-lock.json").read_bytes()) as missing:
        if missing:
            say("installing Better Auth (npm)")
            # Without warnings: some packages ask for a newer Node than Debian 12's, which does for the example.
            run(needed("npm"), "ci", "--loglevel=error", cwd=AUTH)


def install_fastapi() -> None:
    requirements = sorted(HERE.glob("requirements*.txt"))
    wanted = b"".join(file.read_bytes() for file in requirements) + f"{sys.base_prefix} {sys.version}".encode()
    with once(VENV, wanted) as missing:
        if missing:
            say("installing FastAPI (pip)")
            run(sys.executable, "-m", "venv", "--clear", VENV)
            run(VENV / "bin/pip", "install", "--disable-pip-version-check", "-r", HERE / "requirements-reference.txt")


@contextmanager
def once(directory: Path, wanted: bytes):
    """Yields whether `wanted` has yet to be installed; remembers it when that went well."""
    stamp = directory.with_suffix(".installed")
    digest = hashlib.sha256(wanted).hexdigest()
    missing = not (directory.is_dir() and stamp.is_file() and stamp.read_text() == digest)
    if missing:
        stamp.unlink(missing_ok=True)
    yield missing
    stamp.write_text(digest)


def run(*command, **options) -> None:
    if subprocess.run([str(word) for word in command], stdout=sys.stderr, **options).returncode != 0:
        raise Failure(f"failed: {' '.join(str(word) for word in command)}")


# The servers.


class Stack:
    """The servers, installed and running. Used with `with`: at its end none of them is left."""

    def __init__(self, with_reference: bool = False):
        self.with_reference = with_reference
        self.module, self.nginx = module(), nginx()
        self.secret = secrets.token_urlsafe(48)
        self.cleanup = ExitStack()
        self.processes: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> "Stack":
        install()
        say("starting Better Auth, FastAPI and nginx")
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self) -> None:
        self.directory = Path(self.cleanup.enter_context(tempfile.TemporaryDirectory(prefix="user-scope-")))
        self.error_log = self.directory / "error.log"
        self.access_log = self.directory / "access.log"
        # Bound before anything starts: Better Auth puts the public address into its tokens.
        listening = socket.create_server(("127.0.0.1", 0), backlog=511)
        self.public = Server(listening.getsockname()[1])
        self.backend = self.python_server("backend", {})
        self.reference = self.python_server("reference", self.shared_secret()) if self.with_reference else None
        self.start_nginx(self.start_better_auth("better-auth", self.public), listening)

    def shared_secret(self) -> dict[str, str]:
        return {"BETTER_AUTH_SECRET": self.secret}

    def start_better_auth(self, name: str, public: Server, configuration: str = "./auth.js", **settings: str) -> str:
        environment = self.shared_secret() | {"BETTER_AUTH_URL": public.url} | settings
        command = [needed("node"), *node_flags(), "server.js", configuration]
        process = self.spawn(name, command, environment, cwd=AUTH)
        listening = self.wait_for(name, process, lambda: listening_line(self.log(name)))
        return f"{listening['address']}:{listening['port']}"

    def python_server(self, name: str, environment: dict[str, str]) -> Server:
        server = Server(self.directory / f"{name}.sock")
        command = [VENV / "bin/python", "-m", "uvicorn", f"{name}:app", "--app-dir", HERE, "--uds", server.at]
        process = self.spawn(name, [*command, "--log-level", "warning"], environment)
        self.wait_for(name, process, lambda: answers(server))
        return server

    def start_nginx(self, better_auth: str, listening: socket.socket) -> None:
        configuration = self.configuration("nginx.conf", BETTER_AUTH=better_auth, PORT=str(self.public.at))
        self.run_nginx("nginx", self.directory, configuration, self.public, listening)

    def configuration(self, template: str, **values: str) -> str:
        ours = {"MODULE": f'"{self.module}"', "USER": self.worker_user(), "FASTAPI": str(self.backend.at)}
        return filled_in((HERE / template).read_text(), **ours, **values)

    def run_nginx(
        self, name: str, directory: Path, configuration: str, server: Server, listening: socket.socket
    ) -> subprocess.Popen:
        (directory / "nginx.conf").write_text(configuration)
        listening.setblocking(False)
        command = [self.nginx, "-p", directory, "-c", "nginx.conf", "-e", "error.log"]
        with listening:
            # nginx takes over an open socket that this variable names, as it does when its binary is upgraded.
            environment = self.shared_secret() | {"NGINX": f"{listening.fileno()};"}
            process = self.spawn(name, command, environment, pass_fds=[listening.fileno()])
        self.wait_for(name, process, lambda: answers(server))
        return process

    def worker_user(self) -> str:
        """The workers of a master that runs as root run as nobody, who must reach the backend's socket."""
        if os.geteuid() != 0:
            return ""
        nobody = pwd.getpwnam("nobody")
        os.chown(self.directory, nobody.pw_uid, nobody.pw_gid)
        return f"user nobody {grp.getgrgid(nobody.pw_gid).gr_name};"

    def spawn(self, name: str, command: list, environment: dict[str, str], **options) -> subprocess.Popen:
        """Starts a server in a session of its own: Ctrl-C reaches only us, and we stop the servers in order."""
        with open(self.directory / f"{name}.log", "wb") as log:
            process = subprocess.Popen(
                [str(word) for word in command],
                env=bare_environment() | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **options,
            )
        self.cleanup.callback(stop, process)
        self.processes[name] = process
        return process

    def wait_for(self, name: str, process: subprocess.Popen, sign_of_life):
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            if seen := sign_of_life():
                return seen
            time.sleep(0.05)
        raise Failure(f"{name} did not start:\n{self.log(name)}")

    def stay(self) -> None:
        """Waits for a signal, or for a server that ends by itself, as none of them should."""
        while not (ended := [name for name, process in self.processes.items() if process.poll() is not None]):
            time.sleep(0.5)
        raise Failure(f"{ended[0]} has ended:\n{self.log(ended[0])}")

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    def stop(self) -> None:
        """Stops the servers, last started first; a second Ctrl-C does not interrupt it."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self.cleanup.close()

    def quit_nginx(self) -> None:
        """Lets nginx finish its requests and its logs."""
        self.processes["nginx"].send_signal(signal.SIGQUIT)
        self.processes["nginx"].wait(PATIENCE)


def bare_environment() -> dict[str, str]:
    """Ours, without what a server could mistake for its own; only those who need the secret are given it."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("NGINX", "BETTER_AUTH"))}
    return ours | {"PYTHONDONTWRITEBYTECODE": "1"}


def node_flags() -> list[str]:
    """Better Auth expects the global `crypto`, which Node 18 has behind a flag and later versions always."""
    version = subprocess.run([needed("node"), "--version"], capture_output=True, text=True, check=True).stdout
    return ["--experimental-global-webcrypto"] if int(version.lstrip("v").split(".")[0]) < 19 else []


def listening_line(log: str) -> dict | None:
    lines = [line for line in log.splitlines() if line.startswith('{"listening"')]
    return json.loads(lines[0])["listening"] if lines else None


def answers(server: Server) -> bool:
    try:
        return bool(server.send("GET", "/counters"))
    except OSError:
        return False


def filled_in(template: str, **values: str) -> str:
    for name, value in values.items():
        template = template.replace(f"@{name}@", value)
    return template


def stop(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def leave_on_signals() -> None:
    """Turns the signals that end a program into an exit that stops the servers first."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
