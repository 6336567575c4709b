"""How long a call and a silence may last, on a clock of our own.

Voice activity is no witness: noise resets it, and it stays through long tools. What counts is what
was understood, and what the agent said.
"""

from dataclasses import dataclass
from enum import Enum

from voice.agent_config import AgentConfig


class Due(Enum):
    """What has to be done now."""

    REMIND = "the callee is asked whether they are there"
    END_SILENT = "the callee was silent for too long"
    END_LONG = "the call lasted as long as it may"


@dataclass
class Limits:
    """All times are those of one clock, in seconds."""

    config: AgentConfig
    answered_at: float
    silent_since: float
    _reminders: int = 0
    _paused: int = 0

    @classmethod
    def begin(cls, config: AgentConfig, now: float) -> "Limits":
        """Return the limits of a call that is answered now."""
        return cls(config, answered_at=now, silent_since=now)

    def touch(self, now: float) -> None:
        """Record that something was understood, or that the agent has finished a sentence."""
        self.silent_since = now
        self._reminders = 0

    def pause(self) -> None:
        """Let no silence count: the agent speaks, thinks or uses a tool."""
        self._paused += 1

    def resume(self, now: float, *, is_reminder: bool = False) -> None:
        """Count silence again. What reminds of a silence does not end it."""
        self._paused = max(0, self._paused - 1)
        if not is_reminder:
            self.touch(now)

    def due(self, now: float) -> Due | None:
        """Return what has to be done now; a reminder is due once."""
        if now - self.answered_at >= self.config.max_call_duration_seconds:
            return Due.END_LONG
        silence = now - self.silent_since
        if self._paused:
            return None
        if silence >= self.config.silence_timeout_seconds:
            return Due.END_SILENT
        wanted = self.config.silence
        if (
            wanted.remind_after_seconds > 0
            and self._reminders < wanted.reminders
            and silence >= wanted.remind_after_seconds * (self._reminders + 1)
        ):
            self._reminders += 1
            return Due.REMIND
        return None
