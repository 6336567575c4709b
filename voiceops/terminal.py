"""What a person at a terminal sees while nothing else is said."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

TICK_SECONDS = 1.0


@contextmanager
def patience(out: TextIO, doing: str) -> Iterator[None]:
    """Say what is being done once it takes longer than a second, and a dot for each second after."""
    over = threading.Event()

    def tick() -> None:
        said = doing
        while not over.wait(TICK_SECONDS):
            out.write(said)
            out.flush()
            said = "."
        if said != doing:
            out.write("\n")

    thread = threading.Thread(target=tick, name="patience", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
