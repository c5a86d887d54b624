"""Where servers and clients run.

A server and its client are kept on one core, and neither takes it from the other before it waits. So the server finds the
caches as it left them a moment ago, and not as another core's client has changed them; it is switched to and away as
often whatever it does; and what else the machine does may go on elsewhere. That makes figures that repeat.

At a pace, a client has the other core to itself: it waits awake for its next request to be due, and the server sleeps.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

ALL = frozenset(os.sched_getaffinity(0))
ONE = max(ALL)
# `None` where there is no other.
OTHER = min(ALL - {ONE}, default=None)
OURSELVES = 0


def confine(process: int = OURSELVES) -> None:
    """Keeps a process, and those that it starts, on the one core. A batch process that wakes lets others go on."""
    os.sched_setaffinity(process, {ONE})
    os.sched_setscheduler(process, os.SCHED_BATCH, os.sched_param(0))


def spread() -> None:
    """Opens all cores to us and to whom we start; nobody takes one from another yet."""
    os.sched_setaffinity(OURSELVES, ALL)


def release(process: int = OURSELVES) -> None:
    """The kernel may run it where and when it likes."""
    os.sched_setaffinity(process, ALL)
    os.sched_setscheduler(process, os.SCHED_OTHER, os.sched_param(0))


@contextmanager
def released(processes: list[int]) -> Iterator[None]:
    """Lets these processes, and ours, run anywhere for a while."""
    everybody = [OURSELVES, *processes]
    for process in everybody:
        release(process)
    try:
        yield
    finally:
        for process in everybody:
            confine(process)
