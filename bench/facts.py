"""What a result must say about where it comes from."""

import json
import os
import platform
import re
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from groups import NJS
from servers import MODULE, ROOT, TARGET, Failure, nginx_binary

NATIVE = ROOT / "target/release/bench"
# As long as a line of a result may be.
LINE = 240


def output(*command) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=ROOT)
    return (done.stdout + done.stderr).strip() if done.returncode == 0 else ""


def cpu() -> str:
    """Its name, and its kind where the kernel tells it: one name may stand for several."""
    told = dict(re.findall(r"^(\S[^\t\n]*?)\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M))
    kind = f" (family {told['cpu family']}, model {told['model']})" if {"cpu family", "model"} <= told.keys() else ""
    return told.get("model name", platform.machine()) + kind


def locked(file: Path, crate: str) -> str:
    found = re.search(rf'^name = "{crate}"\nversion = "(.*)"$', file.read_text(), re.M)
    return found[1] if found else ""


def backend() -> str:
    """The cryptography, which must be the module's for its arithmetic to be compared."""
    ours, module = (locked(file, "aws-lc-rs") for file in (ROOT / "bench/Cargo.lock", ROOT / "Cargo.lock"))
    if ours != module:
        raise Failure(f"bench/Cargo.lock has aws-lc-rs {ours}, the module {module}: run cargo update there")
    return ours


def versions() -> dict[str, str]:
    package = output("sed", "-n", 's/^version = "\\(.*\\)"/\\1/p', "Cargo.toml").splitlines()
    found = {
        "nginx": output(nginx_binary(), "-v").rsplit("/", 1)[-1],
        "module": package[0] if package else "",
        "aws-lc-rs": backend(),
        "rustc": output("rustc", "--version"),
        "python": platform.python_version(),
    }
    if NJS.is_file():
        found["njs"] = (TARGET / "njs/version").read_text().strip()
    for line in output(TARGET / "venv/bin/pip", "freeze").splitlines():
        name, _, version = line.partition("==")
        if name in ("fastapi", "uvicorn", "uvloop", "httptools", "PyJWT"):
            found[name] = version
    return found


def about() -> dict:
    """Of any result."""
    if not MODULE.is_file():
        raise Failure(f"there is no {MODULE}: run `make build` first")
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": output("git", "rev-parse", "--short=12", "HEAD") + ("+" if output("git", "status", "--porcelain") else ""),
        "cpu": cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": re.match(r"[0-9.]*[0-9]", platform.release())[0],
        "load": [round(figure, 1) for figure in os.getloadavg()],
        "versions": versions(),
    }


def of_run(options) -> dict:
    return about() | {
        "command": f"make bench ROUNDS={options.rounds} REQUESTS={options.requests}",
        "seed": options.seed,
        "rounds": options.rounds,
        "requests": options.requests,
        "connections": options.connections,
    }


def as_text(result: dict) -> str:
    """JSON, a sample to a line: short, and a change is seen in review."""
    # Sorted while keys are what they are: numbers by what they count.
    return lines_of(json.loads(json.dumps(result, sort_keys=True)), "") + "\n"


def lines_of(value, margin: str) -> str:
    """On one line what fits there."""
    flat = json.dumps(value)
    if len(flat) <= LINE or not isinstance(value, dict | list):
        return flat
    inner, is_dict = margin + " ", isinstance(value, dict)
    if is_dict:
        parts = [f"{json.dumps(name)}: {lines_of(part, inner)}" for name, part in value.items()]
    else:
        parts = [lines_of(part, inner) for part in value]
    opening, closing = "{}" if is_dict else "[]"
    return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{margin}{closing}"
