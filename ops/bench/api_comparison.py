"""What the rounds of the API benchmark come to: ratios of ours to the peer, and whether they reach
the goals.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ops.bench.api_load import Load
from ops.bench.api_requests import GOALS, MAX_MEMORY_RATIO
from ops.bench.api_servers import OURS, PEER

TABLE_HEAD = (
    "| request | ratio (spread) | goal | requests/s | p50 ms | p99 ms | app CPU ms | DB CPU ms |",
    "|---|---|---|---|---|---|---|---|",
)


@dataclass(frozen=True)
class Ratio:
    """Ours to the peer: the median of the rounds, the least and the greatest."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, ours: Sequence[float], peers: Sequence[float]) -> "Ratio":
        """The ratio of each round, whose two runs followed one another."""
        ratios = [a / b if b else 0.0 for a, b in zip(ours, peers, strict=True)]
        return cls(statistics.median(ratios), min(ratios), max(ratios))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f} to {self.greatest:.2f})"


@dataclass(frozen=True)
class Comparison:
    """All rounds of one scenario, by side."""

    name: str
    loads: Mapping[str, Sequence[Load]]

    def ratio_of(self, figure: str) -> Ratio:
        """The ratio of one figure of `Load`."""
        ours, peers = (
            [getattr(load, figure) for load in self.loads[side]] for side in (OURS, PEER)
        )
        return Ratio.of(ours, peers)

    @property
    def speed(self) -> Ratio:
        return self.ratio_of("requests_per_second")

    @property
    def goal(self) -> float | None:
        return GOALS.get(self.name)

    def row(self) -> str:
        """The line of the table."""
        rate = self._pair("requests_per_second", ".0f")
        goal = "" if self.goal is None else f"≥ {self.goal}"
        figures = [self._cell(name) for name in ("p50", "p99", "app_cpu", "database_cpu")]
        return f"| {self.name} | {self.speed} | {goal} | {rate} | {' | '.join(figures)} |"

    def _cell(self, figure: str) -> str:
        """Both figures and their ratio."""
        return f"{self._pair(figure, '.1f')} = {self.ratio_of(figure)}"

    def _pair(self, figure: str, form: str) -> str:
        ours, peers = (
            statistics.median(getattr(load, figure) for load in self.loads[side])
            for side in (OURS, PEER)
        )
        return f"{ours:{form}} / {peers:{form}}"


def report_lines(comparisons: Sequence[Comparison], memory: Mapping[str, float]) -> Iterator[str]:
    """The table, ours / peer in every cell, and a line for each figure."""
    yield from TABLE_HEAD
    for comparison in comparisons:
        yield comparison.row()
    yield (
        f"memory (PSS, all processes): {memory[OURS]:.0f} / {memory[PEER]:.0f} MB, "
        f"ratio {memory[OURS] / memory[PEER]:.2f}, goal ≤ {MAX_MEMORY_RATIO}"
    )
    for comparison in comparisons:
        yield f"figure ratio_{comparison.name} {comparison.speed.median:.3f}"
    yield f"figure ratio_memory {memory[OURS] / memory[PEER]:.3f}"


def missed_goals(comparisons: Sequence[Comparison], memory: Mapping[str, float]) -> list[str]:
    """The goals that were not reached, in words."""
    missed = [
        f"{comparison.name} {comparison.speed.median:.2f} of {comparison.goal}"
        for comparison in comparisons
        if comparison.goal is not None and comparison.speed.median < comparison.goal
    ]
    if memory[OURS] > MAX_MEMORY_RATIO * memory[PEER]:
        missed.append(f"memory {memory[OURS] / memory[PEER]:.2f} of {MAX_MEMORY_RATIO}")
    return missed
