"""Running the sandbox from a terminal: start, say where, serve until told to stop."""

import asyncio
import signal
from collections.abc import Callable, Mapping

from sandbox.config import Config, from_arguments
from sandbox.server import start
from sandbox.store import DataDirTakenError


def run(
    options: Mapping[str, object],
    *,
    say: Callable[[str], object],
    complain: Callable[[str], object] | None = None,
) -> int:
    """The exit status: 0 after SIGINT or SIGTERM, 1 with one line when it could not start.

    That line goes to `complain`, when somebody else is to say it.
    """
    try:
        config = from_arguments(options)
        asyncio.run(_serve(config, say))
    except (ValueError, OSError, OverflowError, DataDirTakenError) as error:
        (complain or say)(f"The sandbox cannot start: {error}\n")
        return 1
    return 0


async def _serve(config: Config, say: Callable[[str], object]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    sandbox = await start(config)
    try:
        say(
            f"Sandbox: LiveKit and Twilio at {sandbox.url}, {config.speed:g} times as fast, data in {config.data_dir}\n"
        )
        await stopping.wait()
    finally:
        await sandbox.stop()
