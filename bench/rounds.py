"""One round of one group: the same requests to every side, batch by batch in turn."""

import json
from contextlib import nullcontext
from statistics import median

import cores
from groups import PATH, Group, Stack, expected
from servers import Room, Server

# Short enough for all sides to meet the same weather, long enough for a batch's beginning and end not to matter.
MOST_BATCHES, SMALLEST_BATCH = 40, 1000


def side_option(server: Server, statuses: list[int], target: str = PATH) -> str:
    def ids(processes) -> str:
        return ",".join(map(str, processes)) or "-"

    words = [f"127.0.0.1:{server.port}", target, ",".join(map(str, statuses)), ids(server.front), ids(server.behind)]
    return " ".join(words)


def load(room: Room, **options) -> dict:
    return json.loads(room.call("load", keys=room.keys, **options))


def run_group(room: Room, stack: Stack, group: Group, number: int, options) -> dict:
    requests = max(SMALLEST_BATCH, int(options.requests * group.share))
    # Latency at a steady pace wants no interruption.
    is_latency = group.rate and not group.apart
    batches = 1 if is_latency else min(MOST_BATCHES, requests // SMALLEST_BATCH)
    # Each round starts with another side.
    turn = number % len(group.sides)
    order = group.sides[turn:] + group.sides[:turn]
    sides = {
        f"side__{at}": side_option(stack.sides[side], expected(side, group.kind))
        for at, side in enumerate(order)
    }
    servers = [process for side in order for process in (*stack.sides[side].front, *stack.sides[side].behind)]
    # A client that keeps a pace waits awake, and must not keep the server from answering.
    with cores.released(servers) if is_latency else nullcontext():
        result = load(
            room,
            algorithm=group.algorithm,
            kind=group.kind,
            requests=requests,
            batch=-(-requests // batches),
            connections=options.connections,
            rate=group.rate,
            pinned_to=cores.OTHER if group.apart else None,
            **sides,
        )
    return {side: summary(sample) for side, sample in zip(order, result["sides"])}


def summary(sample: dict) -> dict:
    """Of one side in one round. The median batch stands for the round: a batch that something else disturbed does not
    count more than another."""
    batches = sample["batches"]
    requests = sum(batch[0] for batch in batches)
    return {
        "cpu_ns": round(median((front + behind) / count for count, _, front, behind in batches), 1),
        "front_ns": round(median(front / count for count, _, front, _ in batches), 1),
        "mean_cpu_ns": round(sum(front + behind for _, _, front, behind in batches) / requests, 1),
        "per_second": round(median(count / seconds for count, seconds, _, _ in batches)),
        "requests": requests,
        "statuses": sample["statuses"],
        "latency_us": sample["latency_us"],
    }
