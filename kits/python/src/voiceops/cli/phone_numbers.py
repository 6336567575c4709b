"""`voiceops phone-numbers`."""

from itertools import islice

import typer

from voiceops.cli.output import Columns, JsonOption, LimitOption, print_rows
from voiceops.cli.settings import connect

app = typer.Typer(help="Numbers to call from.", no_args_is_help=True)
PHONE_NUMBER_COLUMNS: Columns = {
    "id": lambda number: number.id,
    "phone number": lambda number: number.phone_number,
    "label": lambda number: number.label,
    "provider": lambda number: number.provider,
    "status": lambda number: number.status,
    "calls per second": lambda number: number.calls_per_second,
    "at once": lambda number: number.max_concurrent_calls,
}


# Without it, Typer would make the one command the group itself.
@app.callback()
def group() -> None:
    pass


@app.command("list")
def list_phone_numbers(limit: LimitOption = 50, as_json: JsonOption = False) -> None:
    """List the registered numbers, the newest first."""
    with connect() as voiceops:
        rows = islice(voiceops.phone_numbers.list(), limit)
        print_rows(rows, PHONE_NUMBER_COLUMNS, as_json=as_json)
