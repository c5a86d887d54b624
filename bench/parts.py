"""What is measured besides the rounds: two workers against one."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from groups import located, ours
from rounds import load, side_option
from servers import MODULE, Nginx, Room, Server

CASES = (("static file, no check", "bare", "HS256", "new", 1), ("HS256 new", "HS256", "HS256", "new", 1),
         ("EdDSA new", "EdDSA", "EdDSA", "new", 0.3), ("ES512 new", "ES512", "ES512", "new", 0.05))


def processor_time(server: Server) -> int:
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in server.front)


def busy_time() -> float:
    """Seconds that all processors together have spent on anything at all."""
    words = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return (sum(words[:8]) - words[3] - words[4]) / 100


def sample(room: Room, server: Server, case: tuple, requests: int, clients: int) -> dict:
    _, _, algorithm, kind, share = case
    each = max(200, int(requests * share) // clients)
    option = side_option(server, [200])

    def client(number: int) -> dict:
        return load(room, algorithm=algorithm, kind=kind, requests=each, first=1 + number * each, connections=32, side__0=option)

    before = processor_time(server)
    with ThreadPoolExecutor(clients) as pool:
        results = list(pool.map(client, range(clients)))
    time.sleep(0.05)
    used = processor_time(server) - before
    seconds = max(result["sides"][0]["batches"][0][1] for result in results)
    return {
        "cpu_ns": round(used / (each * clients), 1),
        "client_ns": round(sum(result["client_ns"] for result in results) / (each * clients), 1),
        "per_second": round(each * clients / seconds),
        "worker_cores": round(used / 1e9 / seconds, 3),
    }


def scaling(room: Room, options) -> dict:
    """One worker and two, each with as many clients as workers."""
    rounds = max(2, options.rounds // 2)
    found = {case[0]: {"1": [], "2": []} for case in CASES}
    for number in range(rounds):
        for workers in (1, 2) if number % 2 == 0 else (2, 1):
            if not sys.stderr.isatty():
                print(f"scaling: round {number + 1} of {rounds}, workers: {workers}", file=sys.stderr, flush=True)
            else:
                print(f"\r\x1b[Kscaling: round {number + 1} of {rounds}, workers: {workers}", end="", file=sys.stderr)
            nginx = Nginx(room, f"scaling{workers}", (MODULE,), workers=workers, reuseport=True)
            servers = nginx.start({case[1]: located("") if case[1] == "bare" else ours(room, case[1]) for case in CASES})
            for case in CASES:
                found[case[0]][str(workers)].append(sample(room, servers[case[1]], case, options.requests, workers))
            nginx.stop()
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return found
