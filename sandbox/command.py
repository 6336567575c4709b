"""Running the sandbox from a terminal: start, say where, serve until told to stop."""

import asyncio
import signal
from collections.abc import Callable, Mapping

from sandbox.config import Config, read_config
from sandbox.server import start
from sandbox.store import DataDirInUseError


def run(
    options: Mapping[str, object],
    *,
    write: Callable[[str], object],
    write_error: Callable[[str], object] | None = None,
) -> int:
    """The exit status: 0 after SIGINT or SIGTERM, 1 with one line when it could not start.

    That line goes to `complain`, when somebody else is to say it.
    """
    try:
        config = read_config(options)
        asyncio.run(_serve(config, write))
    except (ValueError, OSError, OverflowError, DataDirInUseError) as error:
        (write_error or write)(f"The sandbox cannot start: {error}\n")
        return 1
    return 0


async def _serve(config: Config, write: Callable[[str], object]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    sandbox = await start(config)
    try:
        write(
            f"Sandbox: LiveKit and Twilio at {sandbox.url}, {config.speed:g} times as fast, data in {config.data_dir}\n"
        )
        await stopping.wait()
    finally:
        await sandbox.stop()
