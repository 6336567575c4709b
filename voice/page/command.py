"""`python -m voice talk`: a conversation on this machine, without media server and keys."""

import argparse
import asyncio
import errno
import os
import sys
import webbrowser
from functools import partial
from pathlib import Path

from voice.page.files import talk_by_files
from voice.page.server import serve
from voice.providers.errors import ProviderError
from voice.rehearsal.script import DEMO_AGENT, ScriptError, read_agent_file

DEFAULT_PORT = 7890


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--agent", type=Path, default=DEMO_AGENT, help="an agent's configuration, JSON or YAML"
    )
    parser.add_argument(
        "--variable", action="append", default=[], metavar="NAME=VALUE", help="a call's variable"
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port of the page")
    parser.add_argument("--no-browser", action="store_true", help="do not open the page")
    parser.add_argument(
        "--microphone", type=Path, help="a WAV file that is played to the agent, instead of a page"
    )
    parser.add_argument(
        "--speaker", type=Path, help="the WAV file into which the agent's voice is written"
    )


def run(options: argparse.Namespace) -> int:
    """Talk, and return 0; 2 when the agent or a file cannot be used."""
    try:
        variables = read_variables(options.variable)
        agent = read_agent_file(options.agent)
        if options.microphone or options.speaker:
            return asyncio.run(talk_by_files(agent, variables, options.microphone, options.speaker))
        on_ready = partial(_open_page, in_browser=not options.no_browser)
        return asyncio.run(serve(agent, variables, port=options.port, on_ready=on_ready))
    except OverflowError:
        sys.stderr.write(f"{options.port} is no port\n")
        return 2
    except OSError as error:
        in_use = f"The port {options.port} is in use here: choose another one with --port (PORT=)"
        sys.stderr.write(f"{in_use if error.errno == errno.EADDRINUSE else error}\n")
        return 2
    except (ScriptError, ProviderError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2


def read_variables(items: list[str]) -> dict[str, str]:
    """Return the variables of NAME=VALUE. Raises ValueError."""
    pairs = [item.partition("=") for item in items]
    if any(not separator for _, separator, _ in pairs):
        raise ValueError("--variable needs NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _open_page(url: str, *, in_browser: bool) -> None:
    """Write the page's address, and open it where there is a display."""
    sys.stdout.write(f"Talk to the agent at {url} (Ctrl-C ends it)\n")
    sys.stdout.flush()
    displays = (os.environ.get("DISPLAY"), os.environ.get("WAYLAND_DISPLAY"))
    if in_browser and (sys.platform == "darwin" or any(displays)):
        webbrowser.open(url)
