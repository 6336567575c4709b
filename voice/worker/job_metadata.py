"""The metadata of a job, as the control plane writes it (`telephony/domain/agent_metadata.py`)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Job:
    """One call. Without `report_url` nothing is reported: a room that is not VoiceOps'."""

    call_id: str
    report_url: str
    report_token: str
    agent: Mapping[str, Any]
    variables: Mapping[str, Any]


def read_job(metadata: str, fallback_id: str) -> Job:
    """Return the job; unknown keys are ignored, and missing ones are empty."""
    try:
        data = json.loads(metadata)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        data = {}
    agent, variables = data.get("agent"), data.get("variables")
    return Job(
        call_id=_file_name(str(data.get("call_id") or fallback_id)),
        report_url=str(data.get("report_url") or ""),
        report_token=str(data.get("report_token") or ""),
        agent=agent if isinstance(agent, dict) else {},
        variables=variables if isinstance(variables, dict) else {},
    )


def _file_name(identifier: str) -> str:
    """Return an id that is safe as the name of a file."""
    return "".join(char if char.isalnum() or char in "-_" else "_" for char in identifier)[:128]
