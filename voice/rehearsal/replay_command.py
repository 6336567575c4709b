"""`python -m voice replay`."""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from voice.providers.errors import ProviderError
from voice.rehearsal.replay import RecordedCall, read_replay, replay
from voice.rehearsal.report import as_json
from voice.rehearsal.script import ScriptError
from voice.rehearsal.verdict import Result
from voiceops.core.side_by_side import side_by_side


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        type=Path,
        help="JSON or YAML: {agent, calls: [{call_id, variables, end_reason, ended_at, events}]}",
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def run(options: argparse.Namespace) -> int:
    """Replay the calls, print both sides, and return 0; 2 when the file cannot be used."""
    try:
        agent, calls = read_replay(options.file)
        results = asyncio.run(_replay_all(agent, calls))
    except (ScriptError, ProviderError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if options.json:
        sys.stdout.write(as_json(results))
    else:
        for result in results:
            lines = side_by_side(result.replay or {}, result.reason)
            sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


async def _replay_all(agent: Mapping[str, Any], calls: Sequence[RecordedCall]) -> list[Result]:
    return [await replay(agent, call) for call in calls]
