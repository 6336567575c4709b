"""`python -m voice analyse FILE`: the analysis of a call, again, from its transcript."""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from livekit.agents import APIError
from livekit.agents.testing import fake_job_context

from voice.agent_config import read_agent
from voice.conversation.analysis import AnalysisError, Question, analyse, read_question
from voice.conversation.turns import SPEAKERS
from voice.providers.errors import ProviderError
from voice.providers.registry import make_parts
from voice.rehearsal.script import ScriptError, read_agent_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        type=Path,
        help="JSON or YAML: {agent, turns: [{role, text}]}, as in the API",
    )


def run(options: argparse.Namespace) -> int:
    """Print the analysis as JSON, and return 0; 1 when the model failed, 2 without a question."""
    try:
        agent, turns = read_call(options.file)
        question = read_question(agent.get("analysis") or {})
        if question is None:
            sys.stderr.write("The agent's `analysis` asks for nothing\n")
            return 2
        found = asyncio.run(_analyse(agent, question, turns))
    except (ScriptError, ProviderError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except AnalysisError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except APIError as error:
        sys.stderr.write(f"The model could not be asked: {error.message}\n")
        return 1
    sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    return 0


def read_call(path: Path) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    """Return the agent and the turns of a file. Raises ScriptError."""
    data = read_agent_file(path)
    agent, turns = data.get("agent"), data.get("turns")
    if not isinstance(agent, Mapping) or not isinstance(agent.get("analysis") or {}, Mapping):
        raise ScriptError(f"{path}: `agent` must be a configuration, with its `analysis`")
    if not isinstance(turns, list) or not turns or not all(map(_is_turn, turns)):
        raise ScriptError(f"{path}: `turns` must be a list of {{role: agent or callee, text}}")
    return agent, turns


def _is_turn(item: Any) -> bool:
    return (
        isinstance(item, Mapping)
        and item.get("role") in SPEAKERS.values()
        and isinstance(item.get("text"), str)
    )


async def _analyse(
    agent: Mapping[str, Any], question: Question, turns: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Raises ProviderError, AnalysisError and APIError."""
    with fake_job_context():
        model = make_parts(read_agent(agent, {}), has_sound=False).llm
        return await analyse(question, turns, model)
