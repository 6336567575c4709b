"""What a person at a terminal sees while nothing else is said."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from voiceops.core.errors import DomainError

PROGRESS_DOT_SECONDS = 1.0


@contextmanager
def progress_dots(out: TextIO, doing: str) -> Iterator[None]:
    """Say what is being done once it takes longer than a second, and a dot for each second after."""
    over = threading.Event()

    def tick() -> None:
        said = doing
        while not over.wait(PROGRESS_DOT_SECONDS):
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


def check_readable(file: Path) -> None:
    """Raises DomainError, for what a person named as their file, before anything is done with it."""
    if file.is_dir():
        raise DomainError(f"{file} is a folder")
    if not file.is_file():
        raise DomainError(f"There is no file {file}")
    try:
        file.open("rb").close()
    except OSError as error:
        raise DomainError(f"{file} cannot be read: {error.strerror}") from error
