"""`python -m voice analyse FILE`: the analysis of a call, again, from its transcript."""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from livekit.agents.testing import fake_job_context

from voice.agent_config import read_agent
from voice.conversation.analysis import AnalysisError, Question, analyse, read_question
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
        data = read_agent_file(options.file)
        agent = data.get("agent") or {}
        question = read_question(agent.get("analysis") or {})
        if question is None:
            sys.stderr.write("The agent's `analysis` asks for nothing\n")
            return 2
        found = asyncio.run(_analyse(agent, question, data.get("turns") or []))
    except (ScriptError, ProviderError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except AnalysisError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    return 0


async def _analyse(agent: Mapping[str, Any], question: Question, turns: Any) -> dict[str, Any]:
    with fake_job_context():
        model = make_parts(read_agent(agent, {}), has_sound=False).llm
        return await analyse(question, turns, model)
