"""`voiceops calls`."""

import time
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Literal

import typer

from voiceops import models
from voiceops.cli.output import (
    Columns,
    JsonOption,
    LimitOption,
    coloured,
    print_fields,
    print_rows,
    text_of,
)
from voiceops.cli.settings import connect
from voiceops.client import VoiceOps
from voiceops.errors import NotFound
from voiceops.pages import ENDS

app = typer.Typer(help="Calls, one by one.", no_args_is_help=True)
Status = Literal["queued", "dialing", "ringing", "in_progress", "ended"]
BatchOption = Annotated[str | None, typer.Option("--batch", help="Only those of this batch.")]
TAIL_SECONDS = 1.0
# How many calls that are still up `tail` asks for in each round.
MOST_OPEN = 50
CALL_COLUMNS: Columns = {
    "id": lambda call: call.id,
    "created": lambda call: call.created_at,
    "from": lambda call: call.from_,
    "to": lambda call: call.to,
    "status": lambda call: call.status,
    "outcome": lambda call: call.outcome,
    "seconds": lambda call: call.duration_seconds,
}
CALL_FIELDS: Columns = {
    **CALL_COLUMNS,
    "end reason": lambda call: call.end_reason,
    "SIP": lambda call: " ".join(
        str(part) for part in (call.sip_status_code, call.sip_status) if part
    ),
    "agent": lambda call: call.agent_id,
    "batch": lambda call: call.batch_id,
    "attempt": lambda call: call.attempt,
    "disposition": lambda call: call.disposition,
    "variables": lambda call: call.variables,
}


@app.command("list")
def list_calls(
    status: Annotated[Status | None, typer.Option(help="Only those with this status.")] = None,
    batch_id: BatchOption = None,
    to: Annotated[str | None, typer.Option(help="Only those to this number.")] = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """List calls, the newest first."""
    with connect() as voiceops:
        rows = islice(voiceops.calls.list(status=status, batch_id=batch_id, to=to), limit)
        print_rows(rows, CALL_COLUMNS, as_json=as_json)


@app.command()
def show(
    call_id: Annotated[str, typer.Argument(metavar="ID", help="The call's id.")],
    as_json: JsonOption = False,
) -> None:
    """Show one call: what happened, and what was said."""
    with connect() as voiceops:
        call = voiceops.calls.get(call_id)
        print_fields(call, CALL_FIELDS, as_json=as_json)
        if as_json:
            return
        typer.echo()
        for event in voiceops.calls.events(call_id):
            typer.echo(f"{text_of(event.at)}  {event.text}")
        turns = _transcript(voiceops, call_id)
        typer.echo() if turns else None
        for turn in turns:
            typer.echo(f"{turn.role:>9}: {text_of(turn.text)}")


@app.command()
def tail(
    batch_id: BatchOption = None,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="End when no call is up any more.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print a line when a call begins, changes and ends, until Ctrl-C. With --json, JSON lines."""
    with connect() as voiceops:
        for call in _changes(voiceops, batch_id, until_idle=until_idle):
            typer.echo(call.to_json() if as_json else _line(call))


def _changes(
    voiceops: VoiceOps, batch_id: str | None, *, until_idle: bool
) -> Iterator[models.Call]:
    """Yield calls that are up, then calls that are new, and each again when its status changes."""
    seen: dict[str, str] = {}
    newest = voiceops.calls.list(batch_id=batch_id).page(page_size=200).items
    position = newest[0].id if newest else ENDS["after_id"]
    waiting = [call for call in reversed(newest) if call.status != "ended"]
    while True:
        for call in waiting:
            if seen.get(call.id) != call.status:
                yield call
            seen[call.id] = call.status
            if call.status == "ended":
                del seen[call.id]
        if until_idle and not seen:
            return
        time.sleep(TAIL_SECONDS)
        waiting = list(_open_calls(voiceops, list(seen)[:MOST_OPEN]))
        fresh = list(voiceops.calls.list(batch_id=batch_id, after_id=position))
        position = fresh[-1].id if fresh else position
        waiting += fresh


def _open_calls(voiceops: VoiceOps, ids: list[str]) -> Iterator[models.Call]:
    for call_id in ids:
        yield voiceops.calls.get(call_id)


def _line(call: models.Call) -> str:
    result = f"{coloured(call.outcome)} {call.duration_seconds or 0:.0f} s" if call.outcome else ""
    parts = (text_of(call.created_at), call.to, coloured(call.status), result, call.id)
    return "  ".join(part for part in parts if part)


def _transcript(voiceops: VoiceOps, call_id: str) -> list[models.Turn]:
    try:
        return voiceops.calls.transcript(call_id).turns
    except NotFound:
        return []
