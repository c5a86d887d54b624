"""One request, one answer, over TCP or a unix socket."""

import http.client
import json
import socket
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 10  # seconds; every server here is on this machine


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(found) if found else None

    def json(self):
        """The body as JSON; None when it is something else, such as an error page of nginx's own."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path):
        super().__init__("localhost", timeout=TIMEOUT)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


@dataclass(frozen=True)
class Server:
    """Where one listens: a unix socket, or a port on loopback."""

    at: Path | int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.at}"

    def send(self, method: str, target: str, headers=(), body: dict | None = None) -> Answer:
        """Sends the target and the headers as they are, so that they may be wrong in any way."""
        connection = (
            UnixConnection(self.at)
            if isinstance(self.at, Path)
            else http.client.HTTPConnection("127.0.0.1", self.at, timeout=TIMEOUT)
        )
        content = b"" if body is None else json.dumps(body).encode()
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Type", "application/json")
                connection.putheader("Content-Length", str(len(content)))
            connection.endheaders(content)
            response = connection.getresponse()
            return Answer(response.status, tuple(response.getheaders()), response.read())
        finally:
            connection.close()
