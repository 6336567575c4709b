"""What management commands have in common at a terminal."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from voiceops.core.errors import DomainError

PROGRESS_DOT_SECONDS = 1.0


@contextmanager
def progress_dots(out: TextIO, label: str) -> Iterator[None]:
    """Print the label once the block takes longer than a second, then a dot every second."""
    is_done = threading.Event()

    def print_progress() -> None:
        text = label
        # The label is printed with the first tick, so that quick work prints nothing.
        while not is_done.wait(PROGRESS_DOT_SECONDS):
            out.write(text)
            out.flush()
            text = "."
        if text != label:
            out.write("\n")

    thread = threading.Thread(target=print_progress, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_done.set()
        thread.join()


def check_readable(file: Path) -> None:
    """Raises DomainError when a file named on the command line cannot be read."""
    if file.is_dir():
        raise DomainError(f"{file} is a directory")
    if not file.is_file():
        raise DomainError(f"There is no file {file}")
    try:
        file.open("rb").close()
    except OSError as error:
        raise DomainError(f"{file} cannot be read: {error.strerror}") from error
