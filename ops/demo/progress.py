"""A batch's progress on a terminal: a bar that moves, or a line a second where nothing can move."""

import shutil
import time
from typing import Any, TextIO

from tqdm import tqdm

from batches.models import Recipient

LINE_SECONDS = 1.0
# The bar takes what is left of the line.
FORMAT = "{l_bar}{bar}| {n_fmt}/{total_fmt} people [{elapsed}{postfix}]"
LINE_FORMAT = FORMAT.replace("{bar}", "{bar:30}")


class Progress:
    """Shows `GET /batches/{id}/progress` bodies. Close it when the batch has ended."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.began = self.shown_at = time.monotonic()
        self.last_line = ""
        self.bar = (
            tqdm(total=0, file=out, bar_format=FORMAT, ncols=_width(), nrows=2)
            if out.isatty()
            else None
        )

    def show(self, progress: dict[str, Any]) -> None:
        counts = progress["counts"]
        total, done = counts["total"], sum(counts[name] for name in Recipient.Status.closed())
        if self.bar is not None:
            self.bar.total, self.bar.n = total, done
            self.bar.set_postfix_str(_news(progress))
        else:
            self._print(
                tqdm.format_meter(
                    done, total, self._elapsed(), bar_format=LINE_FORMAT, postfix=_news(progress)
                )
            )

    def say(self, sentence: str) -> None:
        """A sentence between the pictures."""
        if self.bar is not None:
            self.bar.write(sentence, file=self.out)
        else:
            self.out.write(sentence + "\n")
            self.out.flush()

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
        elif self.last_line:
            self.say(self.last_line)

    def _elapsed(self) -> float:
        return time.monotonic() - self.began

    def _print(self, line: str) -> None:
        self.last_line = line
        if time.monotonic() - self.shown_at >= LINE_SECONDS:
            self.shown_at = time.monotonic()
            self.last_line = ""
            self.say(line)


def _width() -> int:
    """Columns of the terminal, one of them left free. A bare pty does not know its size."""
    return min(shutil.get_terminal_size(fallback=(100, 24)).columns, 120) - 1


def _news(progress: dict[str, Any]) -> str:
    counts = progress["counts"]
    parts = [] if progress["status"] == "running" else [progress["status"]]
    parts += [f"{counts['dialing']} dialing", f"{counts['in_call']} in call"]
    parts += [
        f"{counts[name]} {name}" for name in ("retrying", "review", "rejected") if counts[name]
    ]
    return ", ".join([*parts, f"{progress['calls_per_second'] or 0:.1f} calls/s"])
