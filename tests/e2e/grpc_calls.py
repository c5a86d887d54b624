"""A gRPC backend on one socket and a gRPC client on another, with nginx between them.

usage: grpc_calls.py <backend's socket> <nginx's socket>

Reads lines of a method's path and a token (`-` for none), and writes the status that the client sees, with the message
or the user that the backend was told about.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc

DEADLINE = 10


class Backend(grpc.GenericRpcHandler):
    """Answers every method with the user that nginx names."""

    def service(self, call):
        return grpc.unary_unary_rpc_method_handler(self.answer)

    @staticmethod
    def answer(_request, context):
        told = dict(context.invocation_metadata())
        return told.get("x-user-id", "nobody").encode()


def ask(channel, path, token):
    metadata = [] if token == "-" else [("authorization", f"Bearer {token}")]
    try:
        user = channel.unary_unary(path)(b"", metadata=metadata, timeout=DEADLINE)
        return f"OK {user.decode()}"
    except grpc.RpcError as error:
        return f"{error.code().name} {error.details()}"


def main(backend_socket, nginx_socket):
    server = grpc.server(ThreadPoolExecutor(max_workers=2), handlers=[Backend()])
    server.add_insecure_port(f"unix:{backend_socket}")
    server.start()
    options = [("grpc.default_authority", "localhost"), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(f"unix:{nginx_socket}", options) as channel:
        for line in sys.stdin:
            print(ask(channel, *line.split()), flush=True)
    server.stop(None)


main(*sys.argv[1:])
