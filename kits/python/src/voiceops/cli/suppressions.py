"""`voiceops suppressions`."""

from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from voiceops.cli.failures import require
from voiceops.cli.output import Columns, JsonOption, LimitOption, print_json, print_rows
from voiceops.cli.settings import connect

app = typer.Typer(help="Numbers that are never called.", no_args_is_help=True)
SUPPRESSION_COLUMNS: Columns = {
    "id": lambda entry: entry.id,
    "phone number": lambda entry: entry.phone_number,
    "reason": lambda entry: entry.reason,
    "source": lambda entry: entry.source,
    "created": lambda entry: entry.created_at,
    "expires": lambda entry: entry.expires_at,
}


@app.command("list")
def list_suppressions(
    search: Annotated[str | None, typer.Option(help="Digits of the number.")] = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List suppressed numbers, the newest first."""
    with connect() as voiceops:
        rows = islice(voiceops.suppressions.list(search=search), limit)
        print_rows(rows, SUPPRESSION_COLUMNS, as_json=as_json)


@app.command()
def add(
    phone_number: Annotated[
        list[str] | None, typer.Argument(metavar="NUMBER...", help="E.g. +12025550100.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A list of numbers instead.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; kept with each number.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Never call these numbers again, from any list."""
    require(
        bool(phone_number) != bool(file), "Name numbers, or a --file with numbers: one of both."
    )
    with connect() as voiceops:
        if file is not None:
            added = voiceops.suppressions.upload(file, reason=reason)
            summary: dict[str, Any] = added.model_dump(mode="json")
            if as_json:
                print_json(summary)
            else:
                counts = ("added", "already", "rejected_count")
                typer.echo(", ".join(f"{summary[name]} {name}" for name in counts))
            return
        rows = [
            voiceops.suppressions.create(phone_number=each, reason=reason)
            for each in phone_number or []
        ]
        print_rows(rows, SUPPRESSION_COLUMNS, as_json=as_json)
