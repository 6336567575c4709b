"""Running steps in isolation: an unexpected error in one does not keep the others from running.

Besides the loops of background threads, this is the only place where any exception is caught. It is
logged, and with that reported to Sentry. A lost database is not the trouble of a single step, so it
ends the round.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connection

from voiceops.core.orm_thread import closing_broken_connections

logger = logging.getLogger(__name__)
T = TypeVar("T")
# Raised when the database is unreachable, and by PostgreSQL for a statement that took too long.
DATABASE_LOST_ERRORS = (OperationalError, InterfaceError)


def run_isolated(step: Callable[..., T], *arguments: Any) -> T | None:
    """Return the step's result; None when it fails, which is logged.

    Raises OperationalError or InterfaceError when the database is unreachable.
    """
    try:
        return closing_broken_connections(step, *arguments)
    except Exception:
        # Raises when the database is lost; every further step would log the same.
        closing_broken_connections(check_database)
        logger.exception(
            "A step failed; the others continue: %s", getattr(step, "__qualname__", step)
        )
        return None


def check_database() -> None:
    """Raises OperationalError or InterfaceError when the database is unreachable."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


async def gather_isolated(steps: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run the steps concurrently. The failure of one is logged.

    Raises OperationalError or InterfaceError, once all have finished, when the database is
    unreachable.
    """
    results = await asyncio.gather(*steps, return_exceptions=True)
    errors = [result for result in results if isinstance(result, BaseException)]
    for error in errors:
        if not isinstance(error, DATABASE_LOST_ERRORS):
            logger.error("A step failed; the others continue", exc_info=error)
    # A cancellation or an exit is not the failure of a step, so it is raised as a lost database is.
    for error in errors:
        if isinstance(error, DATABASE_LOST_ERRORS) or not isinstance(error, Exception):
            raise error
