"""A tool of the type `transfer_call`: the callee goes on to somebody else.

`refer` hands their line over to a number, and the agent's part is over. `join` calls somebody into
the same room, for carriers that hand no line over: the agent falls silent, and the call ends when
either of the two hangs up.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from livekit.agents import RunContext

from voice.agent_config import Tool
from voice.conversation.webhook_tool import ToolFailure
from voice.lines.line import Transfer

if TYPE_CHECKING:
    from voice.conversation.tools import Talk

E164 = re.compile(r"\+[1-9]\d{6,14}")
TRANSFER_SECONDS = 45.0  # the ringing of the target, and LiveKit's answer

Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class TransferTool:
    """To the tool's destinations only, if it has some; `join` has to have some."""

    tool: Tool
    talk: "Talk"

    async def run(self, arguments: Arguments, context: "RunContext[Any]") -> str | None:
        """Raises ToolFailure with the reason for which the talk goes on."""
        number = self._number(arguments)
        # The callee must hear where they are being put through before they are.
        await context.wait_for_playout()
        joins = self.tool.method == "join"
        ask = self.talk.line.call_in if joins else self.talk.line.transfer
        try:
            async with asyncio.timeout(TRANSFER_SECONDS):
                result = await ask(number)
        except TimeoutError:
            result = Transfer(succeeded=False, text="the other side did not answer in time")
        status = "transferred" if result.succeeded else "failed"
        self.talk.journal.add(
            "transfer", to=number, status=status, sip_status_code=result.sip_status_code
        )
        if not result.succeeded:
            reason = result.text or "it was refused"
            raise ToolFailure(f"The transfer did not succeed: {reason}. The callee is still here")
        if joins:
            self.talk.hand_over()
        else:
            self.talk.end_after(context, "transferred")
        return None

    def _number(self, arguments: Arguments) -> str:
        """Raises ToolFailure when no number, or one that is not allowed, was asked for."""
        wanted = next(
            (str(arguments[key]) for key in ("destination", "number", "to") if arguments.get(key)),
            "",
        )
        allowed = {
            str(item.get("name")): str(item.get("number")) for item in self.tool.destinations
        }
        if allowed and not wanted and len(allowed) == 1:
            return next(iter(allowed.values()))
        number = allowed.get(wanted, wanted)
        if allowed and number not in allowed.values():
            raise ToolFailure(f"Only these can be transferred to: {', '.join(allowed)}")
        if not allowed and self.tool.method == "join":
            raise ToolFailure("This tool has nobody to transfer to")
        if not E164.fullmatch(number):
            raise ToolFailure("A transfer needs a number such as +12025550123")
        return number
