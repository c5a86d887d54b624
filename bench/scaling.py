"""Two workers on two cores against one worker on one.

The client needs a core too, and there may be no more than two. So each core has a worker and a client, and each client
speaks with the worker of its core alone: the second core brings a worker and what drives it. Were the workers to wait
for each other, for a lock or for memory that both write, two such pairs would do less than twice the work of one.
"""

import json
import os
import sys

from groups import located, ours
from proof import Asker, prove_side
from rounds import side_option
from servers import MODULE, Nginx, Room, Server

# What is asked for: side, algorithm, its share of the requests.
CASES = {
    "static file, no check": ("bare", "HS256", 1),
    "HS256, tokens new": ("HS256", "HS256", 1),
    "EdDSA, tokens new": ("EdDSA", "EdDSA", 0.3),
}
PID = '        location = /pid { return 200 "$pid."; }\n'


def client(room: Room, server: Server, algorithm: str, requests: int, number: int) -> dict:
    """What one client is told: it speaks with one worker."""
    worker = server.front[number]
    option = side_option(Server(server.port, (worker,)), [200])
    words = {"algorithm": algorithm, "kind": "new", "requests": requests, "first": 1 + number * requests}
    return {"keys": room.keys, **words, "worker": worker, "gate": 1, "side__0": option}


def overlap(results: list[dict]) -> float:
    """For which share of the time all clients were at work."""
    began, ended = ([result[what] for result in results] for what in ("began", "ended"))
    return round(max(0, min(ended) - max(began)) / (max(ended) - min(began)), 3)


def sample(room: Room, server: Server, algorithm: str, requests: int, cores: list[int]) -> dict:
    for worker, core in zip(server.front, cores):
        os.sched_setaffinity(worker, {core})

    clients = [(core, client(room, server, algorithm, requests, number)) for number, core in enumerate(cores)]
    results = [json.loads(found) for found in room.calls("load", clients)]
    batches = [result["sides"][0]["batches"][0] for result in results]
    return {
        "cpu_ns": round(sum(batch[2] for batch in batches) / requests / len(cores), 1),
        "client_ns": round(sum(result["client_ns"] for result in results) / requests / len(cores), 1),
        "per_second": round(sum(count / seconds for count, seconds, _, _ in batches)),
        "overlap": overlap(results),
    }


def scaling(room: Room, options, ask: Asker) -> dict:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        print("== left out: two workers, for which this machine has too few cores", file=sys.stderr)
        return {}
    # Each core takes its turn with the lone worker.
    rounds = max(2, options.rounds // 2 * 2)
    found = {name: {"1": [], "2": []} for name in CASES}
    for number in range(rounds):
        say(f"two workers against one: round {number + 1} of {rounds}")
        lone = cores[number % 2]
        for workers in (1, 2) if number % 4 < 2 else (2, 1):
            nginx = Nginx(room, f"scaling{workers}", (MODULE,), workers=workers, reuseport=True)
            sides = {side for side, _, _ in CASES.values()}
            servers = nginx.start({side: PID + (located("") if side == "bare" else ours(room, side)) for side in sides})
            for side, algorithm, _ in CASES.values():
                prove_side(ask, servers[side], side if side == "bare" else f"ours {side}", algorithm)
            for name, (side, algorithm, share) in CASES.items():
                requests = max(500, int(options.requests * share))
                pinned = [lone] if workers == 1 else cores[:2]
                found[name][str(workers)].append(sample(room, servers[side], algorithm, requests, pinned))
            nginx.stop()
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return found


def say(line: str) -> None:
    print(f"\r\x1b[K{line}" if sys.stderr.isatty() else line, end="" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)
