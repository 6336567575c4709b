"""Faults on demand, drawn from seeded generators so that a drill can be repeated."""

import random
from dataclasses import asdict, dataclass, field, fields
from typing import Any

DIAL_FAULTS = ("refuse", "error_before", "error_after_dial", "drop_after_dial", "hang")


@dataclass(frozen=True)
class Rates:
    """Probabilities from 0 to 1; `hang_seconds` is by the wall clock."""

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
        self._dial = random.Random(f"{rates.seed}-dial")  # noqa: S311  # repeatable on purpose
        self._webhook = random.Random(f"{rates.seed}-webhook")  # noqa: S311
        self._report = random.Random(f"{rates.seed}-report")  # noqa: S311

    def draw_dial_fault(self) -> str | None:
        """Return the name of the fault of the next CreateSIPParticipant, or None."""
        # One draw for all faults, so that their rates add up and exclude one another.
        draw = self._dial.random()
        for name in DIAL_FAULTS:
            rate: float = getattr(self.rates, f"{name}_rate")
            if draw < rate:
                return name
            draw -= rate
        return None

    def draw_webhook_copies(self) -> int:
        """Return how often the next event is sent: 0 when it is lost, 2 when it is duplicated."""
        draw = self._webhook.random()
        if draw < self.rates.webhook_loss_rate:
            return 0
        return 2 if draw < self.rates.webhook_loss_rate + self.rates.webhook_duplicate_rate else 1

    def draw_report_loss(self) -> bool:
        """Return whether the next report of an agent is lost."""
        return self._report.random() < self.rates.report_loss_rate


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
