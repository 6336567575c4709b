"""Faults on demand, drawn from seeded generators so that a drill can be repeated."""

import random
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import pairwise
from typing import Any

from sandbox.phones.callee import Callee

DIAL_FAULTS = ("refuse", "error_before", "error_after_dial", "drop_after_dial", "hang")
# Faults of a call's line and agent, each drawn on its own.
LINE_FAULTS = ("silent", "early_media", "slow_invite", "agent_death", "agent_unreachable")
AGENT_DIES_AFTER_SECONDS = (1.0, 3.0)  # simulated, after the answer
# Shares of the INVITEs and the wall-clock seconds within which they follow the request.
INVITE_DELAYS = ((0.0, 0.03), (0.5, 0.057), (0.9, 0.159), (0.99, 1.4), (1.0, 1.4))


@dataclass(frozen=True)
class Rates:
    """Probabilities from 0 to 1. `hang_seconds` and `agent_unreachable_seconds` are by the wall
    clock, `agent_lag_seconds` is simulated.
    """

    seed: int = 0
    refuse_rate: float = 0.0
    error_before_rate: float = 0.0
    error_after_dial_rate: float = 0.0
    drop_after_dial_rate: float = 0.0
    hang_rate: float = 0.0
    hang_seconds: float = 60.0
    webhook_loss_rate: float = 0.0
    webhook_duplicate_rate: float = 0.0
    webhook_reorder: bool = False
    report_loss_rate: float = 0.0
    silent_rate: float = 0.0
    early_media_rate: float = 0.0
    slow_invite_rate: float = 0.0
    agent_death_rate: float = 0.0
    agent_lag_seconds: float = 0.0
    agent_unreachable_rate: float = 0.0
    agent_unreachable_seconds: float = 10.0
    double_delete_rate: float = 0.0
    egress_missing_rate: float = 0.0


@dataclass
class Faults:
    rates: Rates = field(default_factory=Rates)

    def __post_init__(self) -> None:
        self.set_rates(self.rates)

    def set_rates(self, rates: Rates) -> None:
        """Replace the rates and restart the generators.

        The same seed gives the same faults for the same requests in the same order.
        """
        self.rates = rates
        # One generator each, so that the number of webhooks does not decide which dial fails.
        self._generators = {
            name: random.Random(f"{rates.seed}-{name}")  # noqa: S311  # repeatable on purpose
            for name in ("dial", "webhook", "report", "line", "delete", "egress")
        }

    def draw_dial_fault(self) -> str | None:
        """Return the name of the fault of the next CreateSIPParticipant, or None."""
        # One draw for all faults, so that their rates add up and exclude one another.
        draw = self._generators["dial"].random()
        for name in DIAL_FAULTS:
            rate: float = getattr(self.rates, f"{name}_rate")
            if draw < rate:
                return name
            draw -= rate
        return None

    def draw_webhook_copies(self) -> int:
        """Return how often the next event is sent: 0 when it is lost, 2 when it is duplicated."""
        draw = self._generators["webhook"].random()
        if draw < self.rates.webhook_loss_rate:
            return 0
        return 2 if draw < self.rates.webhook_loss_rate + self.rates.webhook_duplicate_rate else 1

    def draw_report_loss(self) -> bool:
        """Return whether the next report of an agent is lost."""
        return self._generators["report"].random() < self.rates.report_loss_rate

    def draw_double_delete(self) -> bool:
        """Return whether another DeleteRoom falls beside the next one."""
        return self._generators["delete"].random() < self.rates.double_delete_rate

    def draw_egress_missing(self) -> bool:
        """Return whether no egress service takes the next recording."""
        return self._generators["egress"].random() < self.rates.egress_missing_rate

    def disturb(self, callee: Callee) -> Callee:
        """Return what the next callee does, with the faults of line and agent that befall them."""
        # Always as many draws, so that one rate does not change what another hits.
        chance = self._generators["line"]
        draws = {name: chance.random() for name in LINE_FAULTS}
        dies_after, invite_after = chance.uniform(*AGENT_DIES_AFTER_SECONDS), draw_delay(chance)
        hit = {name for name, draw in draws.items() if draw < getattr(self.rates, f"{name}_rate")}
        changes: dict[str, Any] = {}
        if "silent" in hit:
            changes["silent"] = True
        if "early_media" in hit:
            changes["early_media"] = True
        if "slow_invite" in hit:
            changes["invite_after"] = invite_after
        if "agent_death" in hit:
            changes["agent_dies"] = dies_after
        if "agent_unreachable" in hit:
            changes["agent_unreachable"] = self.rates.agent_unreachable_seconds
        if self.rates.agent_lag_seconds and not callee.agent_lag:
            changes["agent_lag"] = self.rates.agent_lag_seconds
        return replace(callee, **changes) if changes else callee


def draw_delay(chance: random.Random) -> float:
    """Return the seconds between a dial request and its INVITE as measured at a real server: half
    take up to 57 ms, nine in ten up to 159 ms, one in a hundred 1.4 s
    (docs/reference/real-livekit.md §1).
    """
    share = chance.random()
    for (low, fastest), (high, slowest) in pairwise(INVITE_DELAYS):
        if share <= high:
            return fastest + (slowest - fastest) * (share - low) / (high - low)
    return INVITE_DELAYS[-1][1]


def parse_rates(body: Any) -> Rates:
    """Parse the body of `PUT faults`.

    Raises ValueError with a sentence that names the problem.
    """
    if not isinstance(body, dict):
        raise ValueError("an object is expected")  # noqa: TRY004  # all problems are ValueErrors
    known = {f.name: f.default for f in fields(Rates)}
    values: dict[str, Any] = {}
    for name, value in body.items():
        if name not in known:
            raise ValueError(f"unknown fault {name}")
        values[name] = _parse_rate(name, value)
    rates = Rates(**values)
    if sum(getattr(rates, f"{name}_rate") for name in DIAL_FAULTS) > 1:
        raise ValueError("the rates of the dial faults add up to more than 1")
    return rates


def _parse_rate(name: str, value: Any) -> int | float | bool:
    if name == "webhook_reorder":
        if value not in (True, False):
            raise ValueError(f"{name} must be true or false")
        return bool(value)
    if name == "seed":
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError("seed must be a whole number")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(f"{name} must be a number, 0 or greater")
    if name.endswith("_rate") and value > 1:
        raise ValueError(f"{name} must be between 0 and 1")
    return value


def rates_as_json(rates: Rates) -> dict[str, Any]:
    return asdict(rates)
