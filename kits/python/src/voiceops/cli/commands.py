"""The root of the command line, and the commands that belong to no part of the API."""

import sys
from importlib.metadata import version
from importlib.util import find_spec
from typing import Annotated

import typer

from voiceops.cli import agents, batches, calls, phone_numbers, suppressions
from voiceops.cli.failures import NoCredentials, require
from voiceops.cli.settings import Login, load_login, login_file, save_login
from voiceops.client import AsyncVoiceOps, VoiceOps

HELP = """Call lists of recipients with AI voice agents, from the terminal.

VOICEOPS_URL and VOICEOPS_API_KEY name the server and the key; `voiceops login` stores them instead.

Exit codes: 0 done, 1 refused, 2 written wrongly, 3 server not reached, 4 no access, 5 the batch
failed or was stopped.
"""
app = typer.Typer(
    help=HELP, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None
)
app.add_typer(batches.app, name="batches")
app.add_typer(calls.app, name="calls")
app.add_typer(agents.app, name="agents")
app.add_typer(phone_numbers.app, name="phone-numbers")
app.add_typer(suppressions.app, name="suppressions")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"voiceops {version('voiceops')}")
        raise typer.Exit


@app.callback()
def root(
    version_asked: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version, and exit."
        ),
    ] = False,
) -> None:
    pass


@app.command()
def login(
    url: Annotated[str, typer.Option(prompt="Address of the server", envvar="VOICEOPS_URL")],
    api_key: Annotated[
        str, typer.Option(envvar="VOICEOPS_API_KEY", help="Asked for, or read from standard input.")
    ] = "",
) -> None:
    """Store the server and an API key for the commands that follow, readable by you alone."""
    key = api_key or _ask_for_key()
    with VoiceOps(url, api_key=key) as voiceops:
        voiceops.agents.list().page(page_size=1)
    file = save_login(Login(url, key))
    typer.echo(f"Logged in to {url}; stored in {file}")


@app.command()
def logout() -> None:
    """Forget the stored server and key."""
    login_file().unlink(missing_ok=True)
    typer.echo("Logged out. The key itself stays valid: an admin can revoke it.")


@app.command()
def mcp() -> None:
    """Serve an assistant over MCP, on standard input and output.

    It can read everything, and acts only on what it has shown a preview of.
    """
    installed = find_spec("mcp") is not None
    require(installed, "The package mcp is missing. Install voiceops[mcp].")
    # Only this command needs it.
    from voiceops.assistant.server import serve  # noqa: PLC0415

    login = load_login()
    serve(AsyncVoiceOps(login.url, api_key=login.api_key))


def _ask_for_key() -> str:
    """Raises NoCredentials when none is given."""
    if sys.stdin.isatty():
        key: str = typer.prompt("API key", hide_input=True)
    else:
        key = sys.stdin.readline().strip()
    if not key:
        raise NoCredentials("No API key was given.")
    return key
