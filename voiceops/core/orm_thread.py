"""Using the ORM from an event loop: one thread with one connection, which never blocks the loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

from django.db import Error, connections

T = TypeVar("T")


class OrmThread:
    """`async with OrmThread() as db: await db(function, *arguments)`.

    Calls run one after another.
    """

    async def __aenter__(self) -> Self:
        self.executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="orm")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Django keeps connections per thread, so only this thread can close its own.
        await asyncio.get_running_loop().run_in_executor(self.executor, connections.close_all)
        self.executor.shutdown(wait=False)

    async def __call__(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(
            self.executor, lambda: closing_broken_connections(function, *arguments, **named)
        )


def closing_broken_connections(function: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Call the function and return its result.

    After a database error, broken connections are closed, so that the next call on this thread gets
    a new one.
    """
    try:
        return function(*arguments, **named)
    except Error:
        for connection in connections.all(initialized_only=True):
            connection.close_if_unusable_or_obsolete()
        raise
