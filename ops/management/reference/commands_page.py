"""docs/reference/commands.md: the management commands, as their `--help` describes them."""

import argparse
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

ARCHITECTURE_PAGE = settings.BASE_DIR / "docs/architecture.md"
SETTINGS_PAGE = settings.BASE_DIR / "docs/reference/settings.md"
COMMANDS_HEAD = f"""# Commands

Every command of `manage.py`, written by `make docs` from the commands themselves:
`.venv/bin/python manage.py COMMAND --help` says the same. On a laptop set `DEBUG=1`; everything
else is read from the environment ([settings]({SETTINGS_PAGE.name})). A command exits with 0 when it
has done its work, and otherwise with one line that says why. The targets of `make` are listed by
`make help`; which process runs what is in [the architecture](../{ARCHITECTURE_PAGE.name}).
"""


def commands_page() -> str:
    """Return the page."""
    return "\n".join([COMMANDS_HEAD, *(line for name in own_commands() for line in _section(name))])


def own_commands() -> list[str]:
    """Return the commands of our apps, by name."""
    owners = {name: str(app) for name, app in get_commands().items()}
    return sorted(
        name for name, app in owners.items() if (settings.BASE_DIR / app / "management").is_dir()
    )


def _section(name: str) -> Iterator[str]:
    app = str(get_commands()[name])
    command = load_command_class(app, name)
    parser = command.create_parser("manage.py", name)
    arguments = [action for action in parser._actions if action.dest not in _usual_arguments()]
    yield from (f"## {name}", "", f"{command.help.rstrip('.')}.", "")
    if arguments:
        yield from ("| argument | what it means |", "|---|---|")
        yield from (f"| `{_spelling(action)}` | {_meaning(action)} |" for action in arguments)
        yield ""


def _usual_arguments() -> set[str]:
    """Return the arguments that Django gives to every command."""
    return {action.dest for action in BaseCommand().create_parser("", "")._actions}


def _spelling(action: argparse.Action) -> str:
    name = max(action.option_strings, key=len, default="")
    if not name:
        is_optional = action.nargs == "?"
        return f"[{action.dest.upper()}]" if is_optional else action.dest.upper()
    if action.nargs == 0:
        return name
    value: Any = action.metavar or action.dest.upper()
    return f"{name} {value}"


def _meaning(action: argparse.Action) -> str:
    text = (action.help or "").replace("|", "\\|")
    choices = ", ".join(f"`{choice}`" for choice in action.choices or ())
    parts = [text, f"one of {choices}" if choices else "", "required" if _is_needed(action) else ""]
    return "; ".join(part for part in parts if part)


def _is_needed(action: argparse.Action) -> bool:
    return bool(action.option_strings) and action.required
