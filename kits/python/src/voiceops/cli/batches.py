"""`voiceops batches`."""

import sys
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from voiceops import models
from voiceops.cli.failures import BatchNotCompleted, require
from voiceops.cli.output import (
    Columns,
    JsonOption,
    LimitOption,
    print_fields,
    print_json,
    print_rows,
)
from voiceops.cli.progress import follow, wait_until_read
from voiceops.cli.settings import connect
from voiceops.client import VoiceOps
from voiceops.uploads import RESULT_FORMATS

app = typer.Typer(help="Lists of recipients that an agent calls.", no_args_is_help=True)
Status = Literal[
    "validating", "ready", "scheduled", "running", "paused", "completed", "stopped", "failed"
]
BatchId = Annotated[str, typer.Argument(metavar="ID", help="The batch's id.")]
ListFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV or XLSX.")]
AgentOption = Annotated[str, typer.Option(help="Name of the agent that calls.")]
NumberOption = Annotated[
    str | None, typer.Option(help="Your number to call from; needed if you have several.")
]
NameOption = Annotated[str | None, typer.Option(help="The batch's name, else the file's.")]
CountryOption = Annotated[
    str | None, typer.Option(help="Of numbers in national spelling, e.g. US.")
]
StartOption = Annotated[bool, typer.Option("--start", help="Call as soon as the list is read.")]
AtOption = Annotated[
    datetime | None, typer.Option(help="Start at this time, on the clock of the workspace.")
]
WatchOption = Annotated[bool, typer.Option("--watch", help="Follow the batch to its end.")]
PreviewOption = Annotated[
    bool, typer.Option("--preview", help="Only say what the upload would do.")
]
BATCH_COLUMNS: Columns = {
    "id": lambda batch: batch.id,
    "name": lambda batch: batch.name,
    "status": lambda batch: batch.status,
    "recipients": lambda batch: batch.counts.total,
    "completed": lambda batch: batch.counts.completed,
    "failed": lambda batch: batch.counts.failed,
    "created": lambda batch: batch.created_at,
}
BATCH_FIELDS: Columns = {
    **BATCH_COLUMNS,
    "error": lambda batch: batch.error,
    "agent": lambda batch: batch.agent_id,
    "number": lambda batch: batch.phone_number_id,
    "started": lambda batch: batch.started_at,
    "ended": lambda batch: batch.ended_at,
    "counts": lambda batch: ", ".join(
        f"{count} {name}" for name, count in batch.counts.model_dump().items() if count
    ),
}
REASON_COLUMNS: Columns = {
    "count": lambda reason: reason.count,
    "reason": lambda reason: reason.text,
    "next step": lambda reason: reason.next_step,
}


@app.command("list")
def list_batches(
    status: Annotated[Status | None, typer.Option(help="Only those with this status.")] = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """List batches, the newest first."""
    with connect() as voiceops:
        rows = islice(voiceops.batches.list(status=status), limit)
        print_rows(rows, BATCH_COLUMNS, as_json=as_json)


@app.command()
def show(batch_id: BatchId, as_json: JsonOption = False) -> None:
    """Show one batch with its counts."""
    with connect() as voiceops:
        print_fields(voiceops.batches.get(batch_id), BATCH_FIELDS, as_json=as_json)


@app.command()
def upload(
    file: ListFile,
    agent: AgentOption,
    number: NumberOption = None,
    name: NameOption = None,
    country: CountryOption = None,
    start: StartOption = False,
    at: AtOption = None,
    watch: WatchOption = False,
    preview: PreviewOption = False,
    as_json: JsonOption = False,
) -> None:
    """Upload a list. Nobody is called before --start, --at, or `voiceops batches start`."""
    require(not (start and at), "--start and --at exclude each other: now, or at a time.")
    with connect() as voiceops:
        options = {"name": name, "default_country": country}
        if at:
            options |= {"start": "scheduled", "scheduled_at": at.isoformat()}
        fields: dict[str, Any] = {
            "agent_id": voiceops.agents.find(agent).id,
            "phone_number_id": _number(voiceops, number).id,
            "start": "now" if start else "manual",
            **{key: value for key, value in options.items() if value is not None},
        }
        if preview:
            _print_preview(voiceops.batches.preview_upload(file, **fields), as_json=as_json)
            return
        batch = voiceops.batches.upload(file, **fields)
        if watch:
            batch = _watch(voiceops, batch, as_json=as_json, to_end=start or at is not None)
        print_fields(batch, BATCH_FIELDS, as_json=as_json)
        _check_completed(batch)


@app.command()
def watch(batch_id: BatchId, as_json: JsonOption = False) -> None:
    """Follow a batch to its end."""
    with connect() as voiceops:
        follow(voiceops, batch_id, as_json=as_json)
        batch = voiceops.batches.get(batch_id)
        print_fields(batch, BATCH_FIELDS, as_json=as_json)
        _check_completed(batch)


@app.command()
def start(batch_id: BatchId, as_json: JsonOption = False) -> None:
    """Start calling."""
    with connect() as voiceops:
        print_fields(voiceops.batches.start(batch_id), BATCH_FIELDS, as_json=as_json)


@app.command()
def pause(batch_id: BatchId, as_json: JsonOption = False) -> None:
    """Place no more calls, until `resume`. Those that are up go on."""
    with connect() as voiceops:
        print_fields(voiceops.batches.pause(batch_id), BATCH_FIELDS, as_json=as_json)


@app.command()
def resume(batch_id: BatchId, as_json: JsonOption = False) -> None:
    """Go on after a pause."""
    with connect() as voiceops:
        print_fields(voiceops.batches.resume(batch_id), BATCH_FIELDS, as_json=as_json)


@app.command()
def stop(
    batch_id: BatchId,
    hang_up: Annotated[bool, typer.Option("--hang-up", help="End the calls that are up.")] = False,
    as_json: JsonOption = False,
) -> None:
    """End a batch for good."""
    with connect() as voiceops:
        batch = voiceops.batches.stop(batch_id, hang_up_active=hang_up)
        print_fields(batch, BATCH_FIELDS, as_json=as_json)


@app.command()
def reasons(batch_id: BatchId, as_json: JsonOption = False) -> None:
    """Say why recipients were not called, and what to do about it."""
    with connect() as voiceops:
        print_rows(voiceops.batches.reasons(batch_id), REASON_COLUMNS, as_json=as_json)


@app.command()
def rejected(batch_id: BatchId) -> None:
    """Print the rows that could not be used, as CSV, each with what is wrong with it."""
    with connect() as voiceops:
        sys.stdout.buffer.write(voiceops.batches.rejected_csv(batch_id))


@app.command()
def append(batch_id: BatchId, file: ListFile, as_json: JsonOption = False) -> None:
    """Add the rows of a file to a batch: corrected ones, or more recipients.

    They are read in the background. The batch does not end before.
    """
    with connect() as voiceops:
        batch = voiceops.batches.append_upload(batch_id, file)
        print_fields(batch, BATCH_FIELDS, as_json=as_json)


@app.command()
def results(
    batch_id: BatchId,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A .csv or .xlsx file, else CSV is printed."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the uploaded columns with the result of every recipient."""
    with connect() as voiceops:
        require(
            output is None or output.suffix in RESULT_FORMATS,
            f"{output} must end in .csv or .xlsx.",
        )
        if output is not None:
            typer.echo(f"Written to {voiceops.batches.save_results(batch_id, output)}")
        elif as_json:
            print_json(list(voiceops.batches.recipients(batch_id)))
        else:
            sys.stdout.buffer.write(voiceops.batches.results_csv(batch_id))


def _number(voiceops: VoiceOps, phone_number: str | None) -> models.PhoneNumber:
    """Return the number that is meant. Raises UsageFailed when that is not clear."""
    if phone_number is not None:
        return voiceops.phone_numbers.find(phone_number)
    registered = list(voiceops.phone_numbers.list())
    named = ", ".join(each.phone_number for each in registered) or "none"
    require(
        len(registered) == 1, f"Choose the number to call from with --number. Registered: {named}."
    )
    return registered[0]


def _print_preview(preview: models.Preview, *, as_json: bool) -> None:
    if as_json:
        print_json(preview)
        return
    for name, count in preview.counts.items():
        typer.echo(f"{count:8}  {name}")
    for reason in preview.not_called_reasons:
        typer.echo(f"{reason.count:8}  not called: {reason.text} {reason.next_step}")
    for sentence in preview.notes:
        typer.echo(sentence)


def _watch(voiceops: VoiceOps, batch: models.Batch, *, as_json: bool, to_end: bool) -> models.Batch:
    """Return the batch when it has ended; one that nobody has started, when it has been read."""
    if to_end:
        follow(voiceops, batch.id, as_json=as_json)
        return voiceops.batches.get(batch.id)
    batch = wait_until_read(voiceops, batch)
    if batch.status == "ready":
        typer.echo(f"The list is read. Start it with: voiceops batches start {batch.id}", err=True)
    return batch


def _check_completed(batch: models.Batch) -> None:
    """Raises BatchNotCompleted when the batch has failed or was stopped."""
    if batch.status in {"failed", "stopped"}:
        raise BatchNotCompleted(f"The batch is {batch.status}: {batch.error or 'by a user'}")
