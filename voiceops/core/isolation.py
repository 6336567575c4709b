"""Steps that stand alone: an error nobody expected in one must not keep the others from their work,
round after round.

The one place, beside threads that must not die, where any exception is caught. It is logged, and
with that told to Sentry. A database that is lost is no step's own trouble: it ends the round.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connection

from voiceops.core.orm_thread import closing_broken_connections

logger = logging.getLogger(__name__)
T = TypeVar("T")
DATABASE_LOST_ERRORS = (
    OperationalError,
    InterfaceError,
)  # what a database that is away raises; a statement that took too long, too


def run_isolated(step: Callable[..., T], *arguments: Any) -> T | None:
    """Take the step. None, and a line in the log, when it fails. Raises what a database raises that
    is lost.
    """
    try:
        return closing_broken_connections(step, *arguments)
    except Exception:
        closing_broken_connections(check_database)
        logger.exception("A step failed, the others go on: %s", getattr(step, "__qualname__", step))
        return None


def check_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


async def gather_isolated(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Let them work together; one that fails is logged. Raises what the database raises, at the
    end.
    """
    ends = await asyncio.gather(*works, return_exceptions=True)
    errors = [end for end in ends if isinstance(end, BaseException)]
    for error in errors:
        if not isinstance(error, DATABASE_LOST_ERRORS):
            logger.error("A step failed, the others go on", exc_info=error)
    for error in errors:
        if isinstance(error, DATABASE_LOST_ERRORS) or not isinstance(error, Exception):
            raise error
