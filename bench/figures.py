"""A result, and the figures that tables and chart take from it."""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

# The side of `ours EdDSA` whose key is fetched by a subrequest.
FETCHED = "ours EdDSA, fetched"
ALGORITHMS = ("HS256", "RS256", "ES256", "ES512", "EdDSA")


@dataclass(frozen=True)
class Figure:
    """The median of the rounds, and the quartiles around it."""

    value: float
    low: float
    high: float

    @staticmethod
    def of(samples: list[float]) -> "Figure":
        if len(samples) < 2:
            return Figure(samples[0], samples[0], samples[0])
        low, _, high = quantiles(samples, n=4, method="inclusive")
        return Figure(median(samples), low, high)

    def microseconds(self) -> str:
        return f"{plain(self.value / 1e3)} ({plain(self.low / 1e3)} to {plain(self.high / 1e3)})"

    def percent(self) -> str:
        return f"{self.value * 100:.1f} % ({self.low * 100:.1f} to {self.high * 100:.1f})"

    def factor(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def plain(figure: float) -> str:
    """Three digits or so, never more than the measurement has."""
    return f"{figure:.0f}" if abs(figure) >= 100 else f"{figure:.1f}" if abs(figure) >= 10 else f"{figure:.2f}"


class Result:
    def __init__(self, file: Path):
        self.facts = json.loads(file.read_text())
        self.groups = {group["name"]: group for group in self.facts["groups"]}

    @property
    def cache(self) -> bool:
        return self.facts["cache"]

    def has(self, group: str, side: str) -> bool:
        return group in self.groups and side in self.groups[group]["sides"]

    def base(self, group: str) -> str:
        return self.groups[group]["sides"][0]

    def samples(self, group: str, side: str, what: str = "cpu_ns") -> list[float]:
        return [round[side][what] for round in self.groups[group]["rounds"]]

    def cpu(self, group: str, side: str) -> Figure:
        return Figure.of(self.samples(group, side))

    def per_second(self, group: str, side: str) -> float:
        return median(self.samples(group, side, "per_second"))

    def latency(self, group: str, side: str, percentile: str) -> float:
        return median(latency[percentile] for latency in self.samples(group, side, "latency_us"))

    def statuses(self, group: str, side: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for statuses in self.samples(group, side, "statuses"):
            for status, count in statuses.items():
                found[status] = found.get(status, 0) + count
        return found

    def pairs(self, group: str, side: str) -> list[tuple[float, float]]:
        """Of each round: the side, and the base that was sent the same requests at the same time."""
        return list(zip(self.samples(group, side), self.samples(group, self.base(group))))

    def added(self, group: str, side: str) -> Figure:
        return Figure.of([own - base for own, base in self.pairs(group, side)])

    def beside(self, group: str, side: str, aside: Figure | None = None) -> list[tuple[float, float]]:
        """Of each round: what a side adds, and its base. What is `aside`, the arithmetic of a signature, is not counted."""
        spared = aside.value if aside else 0.0
        return [(own - spared - base, base) for own, base in self.pairs(group, side)]

    def share(self, group: str, side: str, aside: Figure | None = None) -> Figure:
        """What a side adds, as a share of the base."""
        return Figure.of([more / base for more, base in self.beside(group, side, aside)])

    def arithmetic_samples(self, algorithm: str, load: str = "") -> list[float]:
        """The bare signature check, where nginx makes it."""
        checked, plain = (self.samples(f"{algorithm} new{load}", f"{what} {algorithm}") for what in ("check", "plain"))
        return [with_it - without for with_it, without in zip(checked, plain)]

    def arithmetic(self, algorithm: str, load: str = "") -> Figure:
        return Figure.of(self.arithmetic_samples(algorithm, load))

    def arithmetic_in_loop(self, algorithm: str) -> Figure:
        return Figure.of([sample["ns"] for sample in self.facts["arithmetic"][algorithm]])

    def beyond_arithmetic(self, group: str, side: str, algorithm: str) -> Figure:
        pairs = zip(self.pairs(group, side), self.arithmetic_samples(algorithm))
        return Figure.of([own - base - arithmetic for (own, base), arithmetic in pairs])

    def scaling(self, case: str, workers: int, what: str) -> float:
        return median(sample[what] for sample in self.facts["scaling"][case][str(workers)])
