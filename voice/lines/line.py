"""What a conversation needs of the callee's connection, whatever carries it."""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

# What can be pressed on a telephone; `w` is a pause.
KEYS = re.compile(r"[0-9*#A-Dw]{1,32}")


@dataclass(frozen=True)
class Transfer:
    """How a transfer went; `text` says it in words when it failed."""

    succeeded: bool
    text: str = ""
    sip_status_code: int | None = None


class Line(Protocol):
    """A callee's connection."""

    @property
    def is_telephone(self) -> bool:
        """Whether the callee holds a telephone: no echo is to be expected."""

    @property
    def left(self) -> "asyncio.Future[str]":
        """Done with the reason when the callee is gone."""

    @property
    def colleague_left(self) -> "asyncio.Future[None]":
        """Done when the one who was called in is gone."""

    def watch_digits(self, handler: Callable[[str], None]) -> None:
        """Call `handler` with every key that the callee presses."""

    async def wait_for_answer(self) -> bool:
        """Return True when the callee has answered, and False when they never will."""

    async def hang_up(self) -> None:
        """End the connection for everybody."""

    async def transfer(self, number: str) -> Transfer:
        """Hand the callee over to a number, and return when that has succeeded or failed."""

    async def call_in(self, number: str) -> Transfer:
        """Call somebody into the callee's room, and return when they have answered or failed to."""

    async def send_digits(self, digits: str) -> None:
        """Press keys."""


@dataclass
class MemoryLine:
    """A callee in the same process: rehearsals, and the page on this machine.

    `transfers` are the results of transfers by number; others succeed.
    """

    is_telephone: bool = True
    transfers: dict[str, Transfer] = field(default_factory=dict)
    digits: list[str] = field(default_factory=list)
    left: "asyncio.Future[str]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    colleague_left: "asyncio.Future[None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    # Unix time; 0 while the line is open.
    hung_up_at: float = 0.0
    _handlers: list[Callable[[str], None]] = field(default_factory=list)

    def watch_digits(self, handler: Callable[[str], None]) -> None:
        self._handlers.append(handler)

    def press(self, digit: str) -> None:
        """Let the callee press a key."""
        for handler in self._handlers:
            handler(digit)

    async def wait_for_answer(self) -> bool:
        return not self.left.done()

    async def hang_up(self) -> None:
        self.hung_up_at = time.time()

    async def transfer(self, number: str) -> Transfer:
        return self.transfers.get(number, Transfer(succeeded=True))

    async def call_in(self, number: str) -> Transfer:
        result = await self.transfer(number)
        if result.succeeded:
            # The two have talked, and hang up.
            asyncio.get_running_loop().call_soon(self.colleague_left.set_result, None)
        return result

    async def send_digits(self, digits: str) -> None:
        self.digits.append(digits)

    def leave(self, reason: str = "callee_hangup") -> None:
        """Let the callee hang up."""
        if not self.left.done():
            self.left.set_result(reason)
