"""Agents as files: `NAME/agent.json`, and the prompt beside it as text, so that changes of either
can be read. Secrets stay on the server: files have `********`, which leaves them as they are.
"""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from voiceops import models
from voiceops._generated.bodies import AgentRequest
from voiceops.cli.failures import UsageFailed

CONFIG_FILE = "agent.json"
PROMPT_FILE = "system_prompt.txt"
WRITABLE_FIELDS = tuple(AgentRequest.__annotations__)


class AgentFile(NamedTuple):
    """An agent as its files describe it."""

    name: str
    config: Any  # an AgentRequest, as far as the server accepts it


def config_of(agent: models.Agent) -> dict[str, Any]:
    """Return what of an agent can be written: its configuration without ids and versions."""
    fields = agent.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return {name: fields[name] for name in WRITABLE_FIELDS if name in fields}


def write_agent(folder: Path, agent: models.Agent) -> Path:
    """Write an agent's files. Returns their folder."""
    target = folder / _folder_name(agent.name)
    target.mkdir(parents=True, exist_ok=True)
    config = config_of(agent)
    prompt = config.pop("system_prompt")
    (target / PROMPT_FILE).write_text(prompt + "\n", encoding="utf-8")
    text = json.dumps(config, indent=2, ensure_ascii=False)
    (target / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")
    return target


def read_folder(folder: Path) -> list[AgentFile]:
    """Return the agents of a folder. Raises UsageFailed for a file that cannot be read."""
    return [_read_agent(file) for file in sorted(folder.glob(f"*/{CONFIG_FILE}"))]


def differences(file: AgentFile, current: models.Agent | None) -> list[str]:
    """Return the fields that a push would write."""
    stored = config_of(current) if current else {}
    return [name for name, value in file.config.items() if stored.get(name) != value]


def _read_agent(file: Path) -> AgentFile:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        prompt = (file.parent / PROMPT_FILE).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageFailed(f"{file.parent} cannot be read: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("name"), str):
        raise UsageFailed(f'{file} must be an object with a "name"')
    # The newline at the end of a text file is no part of the prompt.
    config["system_prompt"] = prompt.removesuffix("\n")
    return AgentFile(config["name"], config)


def _folder_name(name: str) -> str:
    """Return a name that every file system accepts."""
    return re.sub(r"[^\w]+", "-", name.lower()).strip("-") or "agent"
