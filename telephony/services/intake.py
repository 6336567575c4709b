"""What machines report at the same time is stored together: one statement for many, one commit.

Nothing here waits for a row that somebody else has locked, and what cannot be stored together is
left to its request, which then stores it alone, and fails alone.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from django.db import transaction

from telephony.models import InboxEvent
from telephony.services import agent_reports, inbox
from telephony.services.agent_reports import MAX_COMBINED_REPORTS, Report

logger = logging.getLogger(__name__)

Item: TypeAlias = Report | InboxEvent | None  # None: nothing is to be stored
Store: TypeAlias = Callable[[Sequence[Any]], Sequence[bool | None]]


def store_together(items: Sequence[Item]) -> list[bool | None]:
    """Store webhooks and reports; returns for each whether its call goes on, as far as it is asked.

    None for those that are left to their requests. What is returned as stored is committed.
    """
    results = [True if item is None else None for item in items]
    plan = _plan(items)
    if not plan:
        return results
    try:
        with transaction.atomic():
            found = [store([items[place] for place in places]) for store, places in plan]
    except Exception:
        # Whoever is to blame fails alone, and says so.
        logger.warning("%s events are stored one by one", len(items), exc_info=True)
        return results
    for (_, places), outcomes in zip(plan, found, strict=True):
        for place, outcome in zip(places, outcomes, strict=True):
            results[place] = outcome
    return results


def _plan(items: Sequence[Item]) -> list[tuple[Store, list[int]]]:
    """Return how items are stored, by their places: at most one report of a call."""
    webhooks: list[int] = []
    lives: dict[UUID, int] = {}
    reports: dict[UUID, int] = {}
    for place, item in enumerate(items):
        if isinstance(item, InboxEvent):
            webhooks.append(place)
        elif item is not None:
            (lives if item.is_only_life else reports).setdefault(item.call_id, place)
    applied = list(reports.values())[:MAX_COMBINED_REPORTS]
    steps: list[tuple[Store, list[int]]] = [
        (inbox.receive_together, webhooks),
        (agent_reports.record_lives, list(lives.values())),
        (agent_reports.apply_together, applied),
    ]
    return [(store, places) for store, places in steps if places]
