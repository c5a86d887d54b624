"""An HTTP/3 client, and the certificate of the server that it asks.

usage: http3_client.py certificate <directory>     writes certificate.pem and key.pem
       http3_client.py ask <port on 127.0.0.1>

Asks what standard input says, on one connection: lines of a method, a path and an Authorization header (empty for
none), apart by tabs. Writes for each answer `name: value` lines, an empty line, the body, and a record separator.
"""

import asyncio
import datetime
import pathlib
import ssl
import sys

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DEADLINE = 20


def certificate(directory):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .sign(key, hashes.SHA256())
    )
    directory = pathlib.Path(directory)
    (directory / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


class Http3(H3Connection):
    def _check_content_length(self, stream):
        """The library takes the answer to HEAD, a length without a body, for an error; the test compares the two."""


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **named):
        super().__init__(*args, **named)
        self.http = Http3(self._quic)
        self.open = {}

    async def ask(self, method, path, authorization):
        stream = self._quic.get_next_available_stream_id()
        headers = [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path)]
        if authorization:
            headers.append(("authorization", authorization))
        self.http.send_headers(stream, [(name.encode(), value.encode()) for name, value in headers], end_stream=True)
        ended = asyncio.get_running_loop().create_future()
        self.open[stream] = ([], bytearray(), ended)
        self.transmit()
        await asyncio.wait_for(ended, DEADLINE)
        head, body, _ = self.open.pop(stream)
        return head, body

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            for _, _, ended in self.open.values():
                ended.set_exception(ConnectionError(event.reason_phrase))
        for received in self.http.handle_event(event):
            if isinstance(received, (HeadersReceived, DataReceived)):
                head, body, ended = self.open[received.stream_id]
                if isinstance(received, HeadersReceived):
                    head.extend(received.headers)
                else:
                    body.extend(received.data)
                if received.stream_ended:
                    ended.set_result(None)


async def ask(port):
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, verify_mode=ssl.CERT_NONE)
    async with connect("127.0.0.1", int(port), configuration=configuration, create_protocol=Client) as client:
        for line in sys.stdin:
            head, body = await client.ask(*line.removesuffix("\n").split("\t"))
            for name, value in head:
                print(name.decode(), value.decode(), sep=": ")
            print("\n" + body.decode(errors="replace"), end="\x1e", flush=True)


if sys.argv[1] == "certificate":
    certificate(sys.argv[2])
else:
    asyncio.run(ask(sys.argv[2]))
