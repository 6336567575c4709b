"""A batch's progress on a terminal: a moving bar, or one line a second where nothing can move."""

import shutil
import time
from typing import Any, TextIO

from tqdm import tqdm

from batches.models import Batch, Recipient

LINE_SECONDS = 1.0
MAX_TERMINAL_COLUMNS = 120
# The bar fills what the rest leaves of the line.
BAR_FORMAT = "{l_bar}{bar}| {n_fmt}/{total_fmt} recipients [{elapsed}{postfix}]"
LINE_FORMAT = BAR_FORMAT.replace("{bar}", "{bar:30}")


class Progress:
    """Prints bodies of `GET /batches/{id}/progress`. Close it when the batch has ended."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.started_at = time.monotonic()
        self.printed_at = self.started_at
        self.pending_line = ""
        self.bar = (
            tqdm(total=0, file=out, bar_format=BAR_FORMAT, ncols=_terminal_width(), nrows=2)
            if out.isatty()
            else None
        )

    def update(self, progress: dict[str, Any]) -> None:
        """Print the newest progress, at most once a second where it is printed as lines."""
        counts = progress["counts"]
        total = counts["total"]
        done = sum(counts[name] for name in Recipient.Status.closed())
        postfix = _describe(progress)
        if self.bar is not None:
            self.bar.total = total
            self.bar.n = done
            self.bar.set_postfix_str(postfix)
            return
        elapsed = time.monotonic() - self.started_at
        self._print_rarely(
            tqdm.format_meter(done, total, elapsed, bar_format=LINE_FORMAT, postfix=postfix)
        )

    def print_line(self, sentence: str) -> None:
        """Print a sentence without disturbing the bar."""
        if self.bar is not None:
            self.bar.write(sentence, file=self.out)
        else:
            self.out.write(sentence + "\n")
            self.out.flush()

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
        elif self.pending_line:
            self.print_line(self.pending_line)

    def _print_rarely(self, line: str) -> None:
        self.pending_line = line
        if time.monotonic() - self.printed_at >= LINE_SECONDS:
            self.printed_at = time.monotonic()
            self.pending_line = ""
            self.print_line(line)


def _terminal_width() -> int:
    """Columns of the terminal, less one. A bare pty does not know its size."""
    columns = shutil.get_terminal_size(fallback=(100, 24)).columns
    return min(columns, MAX_TERMINAL_COLUMNS) - 1


def _describe(progress: dict[str, Any]) -> str:
    counts = progress["counts"]
    parts = [] if progress["status"] == Batch.Status.RUNNING else [progress["status"]]
    parts += [f"{counts['dialing']} dialing", f"{counts['in_call']} in call"]
    parts += [
        f"{counts[name]} {name}" for name in ("retrying", "review", "rejected") if counts[name]
    ]
    return ", ".join([*parts, f"{progress['calls_per_second'] or 0:.1f} calls/s"])
