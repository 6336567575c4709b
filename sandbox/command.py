"""Runs the sandbox from a terminal until it is interrupted."""

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
    """Serve until SIGINT or SIGTERM. Returns the exit status: 0, or 1 when it could not start.

    `write` gets the line with the address; `write_error` (by default `write`) gets the line that
    explains why the sandbox could not start.
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
            f"Sandbox: LiveKit and Twilio at {sandbox.url}, "
            f"{config.speed:g} times as fast, data in {config.data_dir}\n"
        )
        await stopping.wait()
    finally:
        await sandbox.stop()
