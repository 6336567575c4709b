"""A batch that is followed: one moving line on a terminal, a line for every change elsewhere."""

import sys
import time

import typer

from voiceops import models
from voiceops.cli.output import text_of
from voiceops.client import VoiceOps
from voiceops.progress import POLL_SECONDS

CLEAR_LINE = "\r\x1b[K"
OPEN = ("pending", "dialing", "in_call", "retrying")


def follow(voiceops: VoiceOps, batch_id: str, *, as_json: bool) -> None:
    """Print the progress to standard error, so that standard output has the result alone."""
    moves = sys.stderr.isatty() and not as_json
    previous = ""
    try:
        for progress in voiceops.batches.watch(batch_id):
            line = progress.to_json() if as_json else describe(progress)
            if line != previous:
                sys.stderr.write(f"{CLEAR_LINE}{line}" if moves else f"{line}\n")
                sys.stderr.flush()
            previous = line
    except KeyboardInterrupt:
        typer.echo(
            f"\nThe batch goes on. Follow it with: voiceops batches watch {batch_id}", err=True
        )
        raise
    if moves:
        sys.stderr.write("\n")


def describe(progress: models.Progress) -> str:
    """Return the progress as a line."""
    counts = progress.counts
    done = counts.total - sum(getattr(counts, name) for name in OPEN)
    parts = [
        f"{done}/{counts.total} done",
        f"{counts.dialing} dialing",
        f"{counts.in_call} in call",
    ]
    parts += [f"{count} {outcome}" for outcome, count in progress.outcomes.items() if count]
    if progress.status == "running":
        parts.append(f"{progress.calls_per_second:.1f} calls/s")
        if progress.estimated_end_at:
            parts.append(f"ends about {text_of(progress.estimated_end_at)}")
    return f"{progress.status}: {', '.join(parts)}"


def wait_until_read(voiceops: VoiceOps, batch: models.Batch) -> models.Batch:
    """Return the batch when its list has been read."""
    while batch.status == "validating":
        time.sleep(POLL_SECONDS / 4)
        batch = voiceops.batches.get(batch.id)
    return batch
