"""Sentences of the timeline for what the agent reports and what changes nothing else."""

from collections.abc import Callable, Mapping
from typing import Any

Data = Mapping[str, Any]
DETECTION_TEXTS = {
    "human": "A person answered",
    "machine": "An answering machine answered",
    "uncertain": "It is unclear who answered",
    "screened": "A call screener answered",
}


def _describe_message(data: Data) -> str:
    how = "a message" if data["complete"] else "a part of a message"
    return f"The agent left {how} on the answering machine"


def _describe_transfer(data: Data) -> str:
    succeeded = data["status"] == "transferred"
    beginning = "The agent transferred" if succeeded else "The agent could not transfer"
    return f"{beginning} the callee to {data['to']}"


def _describe_keys(data: Data) -> str:
    return f"The callee pressed {data['digits']}"


def _describe_error(data: Data) -> str:
    place = data.get("provider") or data.get("part") or "the agent"
    return f"Something failed at {place}"


REPORT_TEXTS: dict[str, Callable[[Data], str]] = {
    "message_left": _describe_message,
    "transfer": _describe_transfer,
    "dtmf": _describe_keys,
    "error": _describe_error,
}
