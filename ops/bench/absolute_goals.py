"""Goals in absolute figures. They hold for two quiet cores, so they are printed and not judged."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class AbsoluteGoal:
    """A figure that two quiet cores must reach, or must not exceed."""

    name: str
    bound: float
    unit: str
    side: Literal["at least", "at most"]

    def is_held(self, value: float) -> bool:
        """Whether the figure reaches the goal."""
        return value >= self.bound if self.side == "at least" else value <= self.bound

    def line(self, value: float) -> str:
        """What was measured, the goal, and whether it is held."""
        verdict = "held" if self.is_held(value) else "missed"
        measured = f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
        return f"{self.name}: {measured} {self.unit}, goal {self.side} {self.bound:,}: {verdict}"
