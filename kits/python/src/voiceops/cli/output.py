"""Tables for people, JSON for programs. Colours only where a terminal shows them."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from voiceops.base import Model
from voiceops.errors import FieldAbsent

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, as the API answers it.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="How many to list.")]
COLOURS = {
    **dict.fromkeys(("completed", "answered", "published", "active"), "green"),
    **dict.fromkeys(("failed", "stopped", "carrier_error", "trunk_error", "blocked"), "red"),
    **dict.fromkeys(("paused", "review", "no_answer", "busy", "voicemail"), "yellow"),
    **dict.fromkeys(("validating", "ready", "scheduled", "queued"), "blue"),
    **dict.fromkeys(("running", "in_progress", "ringing", "dialing"), "cyan"),
}
Columns = Mapping[str, Callable[[Any], object]]


def has_colours() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def coloured(text: str) -> str:
    """Return a status or an outcome in its colour."""
    colour = COLOURS.get(text.strip())
    return typer.style(text, fg=colour) if colour and has_colours() else text


def print_json(value: Model | Sequence[Model] | Mapping[str, Any]) -> None:
    plain: Any = value
    if isinstance(value, Model):
        plain = value.model_dump(mode="json", by_alias=True)
    elif isinstance(value, Sequence):
        plain = [each.model_dump(mode="json", by_alias=True) for each in value]
    typer.echo(json.dumps(plain, indent=2, ensure_ascii=False))


def print_rows(rows: Iterable[Model], columns: Columns, *, as_json: bool) -> None:
    """Print rows as a table with these columns, or whole as JSON."""
    rows = list(rows)
    if as_json:
        print_json(rows)
        return
    cells = [[_cell(row, column) for column in columns.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for line in [list(columns), *cells]:
        padded = [coloured(cell.ljust(width)) for cell, width in zip(line, widths, strict=True)]
        typer.echo("  ".join(padded).rstrip())


def print_fields(row: Model, columns: Columns, *, as_json: bool) -> None:
    """Print one object, a field on a line."""
    if as_json:
        print_json(row)
        return
    width = max(map(len, columns))
    for name, column in columns.items():
        typer.echo(f"{name:{width}}  {coloured(_cell(row, column))}")


def _cell(row: Model, column: Callable[[Any], object]) -> str:
    """Return the text of a column; nothing where the server is too old to have it."""
    try:
        return text_of(column(row))
    except FieldAbsent:
        return ""


def text_of(value: object) -> str:
    """Return a cell: times on this machine's clock, nothing for null, one line for a text."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return " ".join(str(value).split())
