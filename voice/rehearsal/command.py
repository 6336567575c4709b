"""`python -m voice rehearse`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from voice.providers.errors import ProviderError
from voice.rehearsal.repeats import rehearse_as_often_as_asked
from voice.rehearsal.report import as_conversation, as_json, as_table, write_junit
from voice.rehearsal.script import MODES, Rehearsal, Script, ScriptError, chosen, read_rehearsal
from voice.rehearsal.verdict import Result

DEMO = Path(__file__).resolve().parents[1] / "demo" / "rehearsal.yaml"
# Conversations that are spoken, or wait for a model, share a core.
WAITING_AT_ONCE = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", nargs="?", type=Path, default=DEMO, help="a file of scripts; the demo's without it"
    )
    parser.add_argument("--mode", choices=MODES, help="instead of the file's mode")
    parser.add_argument(
        "--audio", action="store_const", dest="mode", const="audio", help="the same as --mode audio"
    )
    parser.add_argument(
        "--wideband", action="store_true", help="16 kHz instead of a telephone's 8 kHz in µ-law"
    )
    parser.add_argument(
        "--script", action="append", default=[], help="only the scripts with this label or tag"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--junit", type=Path, help="write a JUnit XML file")
    parser.add_argument("--quiet", action="store_true", help="print the table only")


def run(options: argparse.Namespace) -> int:
    """Rehearse, print the results, and return 0 when every script passed that could be played, 1
    when one failed, and 2 when none could be played, or the agent cannot be used.
    """
    try:
        rehearsal = read_rehearsal(options.file)
        scripts = chosen(rehearsal.scripts, options.script)
        results = asyncio.run(_rehearse_all(rehearsal, scripts, options))
    except (ScriptError, ProviderError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if options.json:
        sys.stdout.write(as_json(results))
    else:
        sys.stdout.write(_readable(results, quiet=options.quiet))
    if options.junit:
        try:
            write_junit(options.junit, results)
        except OSError as error:
            sys.stderr.write(f"{options.junit} cannot be written: {error.strerror}\n")
            return 2
    played = [result for result in results if result.not_run is None]
    if not played and not options.json:
        return 2
    return 0 if all(result.passed for result in played) else 1


async def _rehearse_all(
    rehearsal: Rehearsal, scripts: Sequence[Script], options: argparse.Namespace
) -> list[Result]:
    mode = options.mode or rehearsal.mode
    waits = mode == "audio" or any(script.needs_model for script in scripts)
    places = asyncio.Semaphore(WAITING_AT_ONCE if waits else 1)

    async def one(script: Script) -> Result:
        async with places:
            return await rehearse_as_often_as_asked(
                rehearsal, script, mode=mode, by_telephone=not options.wideband
            )

    return list(await asyncio.gather(*(one(script) for script in scripts)))


def _readable(results: Sequence[Result], *, quiet: bool) -> str:
    conversations = [] if quiet else [as_conversation(result) for result in results]
    return "\n".join([*conversations, as_table(results)])
