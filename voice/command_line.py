"""The commands of `python -m voice`. A command's modules are loaded when it is used: the framework
alone takes a second.
"""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str]) -> int:
    """Run a command, and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m voice", description="The agent that talks on the telephone."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (summary, add_arguments) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        if name in arguments[:1]:
            command.set_defaults(run=add_arguments(command))
    options = parser.parse_args(arguments)
    # The framework's warnings are for developers of the worker; its jobs log by themselves.
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    run: Command = options.run
    try:
        return run(options)
    except KeyboardInterrupt:
        sys.stderr.write("Stopped\n")
        return 130


def _rehearse(parser: argparse.ArgumentParser) -> Command:
    from voice.rehearsal import command  # noqa: PLC0415  # see the module's docstring

    command.add_arguments(parser)
    return command.run


def _replay(parser: argparse.ArgumentParser) -> Command:
    from voice.rehearsal import replay_command  # noqa: PLC0415  # see the module's docstring

    replay_command.add_arguments(parser)
    return replay_command.run


def _doctor(parser: argparse.ArgumentParser) -> Command:
    from voice import doctor  # noqa: PLC0415  # see the module's docstring

    return doctor.run


def _talk(parser: argparse.ArgumentParser) -> Command:
    from voice.page import command  # noqa: PLC0415  # see the module's docstring

    command.add_arguments(parser)
    return command.run


def _start(parser: argparse.ArgumentParser) -> Command:
    from voice.worker import command  # noqa: PLC0415  # see the module's docstring

    return command.start


def _serve(parser: argparse.ArgumentParser) -> Command:
    from voice.worker import command  # noqa: PLC0415  # see the module's docstring

    return command.serve


def _bench(parser: argparse.ArgumentParser) -> Command:
    from voice.bench import command  # noqa: PLC0415  # see the module's docstring

    return command.run


def _analyse(parser: argparse.ArgumentParser) -> Command:
    from voice import analyse  # noqa: PLC0415  # see the module's docstring

    analyse.add_arguments(parser)
    return analyse.run


COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], Command]]] = {
    "start": ("wait for calls and talk on them, until Ctrl-C or SIGTERM", _start),
    "serve": ("the same, without a supervisor that starts it again", _serve),
    "doctor": ("say what this worker can speak with, and what is missing", _doctor),
    "talk": ("talk with an agent, by the laptop's microphone or by files", _talk),
    "analyse": ("analyse the transcript of a call again", _analyse),
    "bench": ("measure conversations on this machine", _bench),
    "rehearse": ("let scripts talk to an agent, and check what it says and does", _rehearse),
    "replay": ("let an agent hear the callees of real calls, and show both calls", _replay),
}
