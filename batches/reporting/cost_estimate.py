"""What calling a list will probably cost, before it starts."""

from typing import Any

from batches.models import Batch
from telephony.domain.carriers import carrier_of
from telephony.domain.expected_costs import ExpectedCost, expect_cost
from voiceops.core.prices import (
    MILLION,
    carrier_item,
    currency,
    describe_unpriced,
    in_words,
    limit_micros,
)

# Conversations differ: an estimate is a range around what is expected.
LOW_FACTOR, HIGH_FACTOR = 0.8, 1.2


def estimate_cost(batch: Batch, recipients: int) -> dict[str, Any]:
    """Return the contract's `estimated_cost` of calling so many people of a batch's list."""
    expected = expect_cost(batch.agent_version)
    bounds = cost_bounds(batch, expected, recipients)
    low, high = bounds or (None, None)
    return {
        "low": None if low is None else low / MILLION,
        "high": None if high is None else high / MILLION,
        "currency": currency(),
        "text": _describe(batch, expected, bounds, recipients),
    }


def budget_remarks(batch: Batch, recipients: int) -> list[str]:
    """Return what an uploader should know of a budget: that it will not suffice, or not hold."""
    limit = limit_micros(batch.max_cost)
    if limit is None or not recipients:
        return []
    expected = expect_cost(batch.agent_version)
    bounds = cost_bounds(batch, expected, recipients)
    if bounds is None:
        return [
            "max_cost may not stop this batch: the price table has no price for "
            f"{' and '.join(expected.unpriced) or 'the models of its agent'}"
        ]
    remarks = []
    if limit < bounds[1]:
        enough_for = int(recipients * limit / bounds[1])
        remarks.append(
            f"A max_cost of {in_words(limit)} may suffice for no more than about {enough_for:,} of "
            f"{recipients:,} people: then the batch pauses until it is raised"
        )
    if expected.unpriced:
        remarks.append(f"max_cost does not count {describe_unpriced(expected.unpriced)}")
    return remarks


def cost_bounds(batch: Batch, expected: ExpectedCost, recipients: int) -> tuple[int, int] | None:
    """Return between what the calls will probably cost, in millionths; None if nothing says so.

    The upper bound counts the retries of those who are not reached at first.
    """
    if expected.micros is None:
        return None
    share = expected.answered_share
    reached = 1 - (1 - share) ** int(batch.retry["max_attempts"])
    low = round(recipients * share * expected.micros * LOW_FACTOR)
    return low, round(recipients * reached * expected.micros * HIGH_FACTOR)


def _describe(
    batch: Batch, expected: ExpectedCost, bounds: tuple[int, int] | None, recipients: int
) -> str:
    if bounds is None:
        models = " and ".join(expected.unpriced) or "the models of the agent"
        return f"What the calls cost is not known: the price table has no price for {models}"
    low, high = (in_words(bound) for bound in bounds)
    amount = high if low == high else f"{low.removesuffix(f' {currency()}')} to {high}"
    subject = f"{recipients:,} {'person' if recipients == 1 else 'people'}"
    basis = (
        f"as the agent's last {expected.calls:,} answered calls did"
        if expected.calls
        else "by the price table, with half of them answering for a minute"
    )
    text = f"About {amount} for {subject}, {basis}"
    missing = [] if _counts_carrier(batch, expected) else ["without the carrier's minutes"]
    if expected.unpriced:
        missing.append(f"without {describe_unpriced(expected.unpriced)}")
    return f"{text}; {' and '.join(missing)}" if missing else text


def _counts_carrier(batch: Batch, expected: ExpectedCost) -> bool:
    """Return whether the carrier's minutes are in the costs of the agent's last calls."""
    number = batch.phone_number
    if number is None or not expected.calls:
        return False
    return carrier_item(carrier_of(number), number.phone_number, 0) is not None
