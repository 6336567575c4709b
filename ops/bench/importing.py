"""The list and the rows of the import benchmark."""

import csv
import random
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import phonenumbers
from django.conf import settings
from django.db import connection

from accounts.models import Workspace
from agents.models import Agent
from batches.models import Batch, Recipient, RejectedRow, Suppression
from batches.services.imports import import_batch
from voiceops.core.phone_numbers import format_e164

LIST_HEADER = ["Phone Number", "first_name", "appointment", "balance"]
EXTRA_HEADER = ["Mobile", "timezone"]
TIME_ZONES = ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles")
SECOND_NUMBER_SHARE = 1 / 3
TIME_ZONE_SHARE = 1 / 2
FIRST_NAMES = (
    *("Ana", "Jürgen", "Lucía", "Noor", "Małgorzata"),
    *("Ravi", "Søren", "Thảo", "Oluwaseun", "Keiko"),
)
INVALID_NUMBERS = ("12345", "call me", "", "1.20256E+10", "911")
IMPORT_AREA_CODES = (
    *(201, 202, 206, 212, 213, 303, 305, 312, 313, 404),
    *(415, 503, 512, 602, 615, 617, 702, 713, 801, 808),
)
DUPLICATE_SHARE = 0.03
VALID_SHARE = 0.98
MAX_DUPLICATED = 10_000
COPY_BLOCK_BYTES = 1 << 16
NAIVE_CHUNK_ROWS = 1000
SUPPRESSED_NUMBERS_AT_ONCE = 4000
FIRST_SUBSCRIBER = 2_000_000
SUBSCRIBERS_PER_AREA_CODE = 8_000_000
IMPORT_WORKSPACE = "Import benchmark"


def write_list(path: Path, rows: int, *, has_extras: bool = False, seed: int = 7) -> None:
    """Write a list as customers send them: mixed number formats, 2 % invalid numbers, 3 %
    duplicates. With extras a third of its people have a second number, and half a time zone.
    """
    dice = random.Random(seed)  # noqa: S311 - a benchmark, no secret
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*LIST_HEADER, *(EXTRA_HEADER if has_extras else ())])
        earlier: list[str] = []
        for number in range(rows):
            phone = _random_phone(dice, number, earlier)
            day = f"2026-12-{dice.randrange(1, 29):02} {dice.randrange(9, 18):02}:00"
            first_name = dice.choice(FIRST_NAMES)
            balance = f"{dice.random() * 1000:.2f}"
            extras = _random_extras(dice) if has_extras else ()
            writer.writerow([phone, first_name, day, balance, *extras])


def _random_extras(dice: random.Random) -> tuple[str, str]:
    """A second number and a time zone, each empty for some people."""
    chance = dice.random()
    digits = f"{dice.choice(IMPORT_AREA_CODES)}{dice.randrange(2, 10)}{dice.randrange(10**6):06}"
    mobile = f"+1{digits}" if chance < SECOND_NUMBER_SHARE else ""
    return mobile, dice.choice(TIME_ZONES) if chance < TIME_ZONE_SHARE else ""


def _random_phone(dice: random.Random, number: int, earlier: list[str]) -> str:
    """The phone cell of row `number`. `earlier` collects numbers to be repeated."""
    area = dice.choice(IMPORT_AREA_CODES)
    digits = f"{area}{dice.randrange(2, 10)}{dice.randrange(10**6):06}"
    chance = dice.random()
    if chance < DUPLICATE_SHARE and earlier:
        digits = dice.choice(earlier)
    elif number % 100 == 0 and len(earlier) < MAX_DUPLICATED:
        earlier.append(digits)
    if chance > VALID_SHARE:
        return dice.choice(INVALID_NUMBERS)
    return _format_number(digits, number % 4)


def _format_number(digits: str, style: int) -> str:
    area, exchange, line = digits[:3], digits[3:6], digits[6:]
    return (
        f"+1{digits}",
        f"({area}) {exchange}-{line}",
        f"+1-{area}-{exchange}-{line}",
        f" +1{digits} ",
    )[style]


def prepare_import(upload: str, *, suppressions: int = 0) -> Batch:
    """Empty the database, and create a batch whose uploaded list is waiting to be imported.

    So many numbers are suppressed before.
    """
    empty_database()
    workspace = Workspace.unscoped.create(name=IMPORT_WORKSPACE)
    _suppress_numbers(workspace, suppressions)
    agent = Agent.unscoped.create(workspace=workspace, name="Bench", system_prompt="Bench")
    version = agent.create_version()
    return Batch.unscoped.create(
        workspace=workspace,
        name="Bench",
        agent=agent,
        agent_version=version,
        upload=upload,
        default_country="US",
    )


def _suppress_numbers(workspace: Workspace, count: int) -> None:
    """Suppress so many numbers, spread over the area codes of the list."""
    step = SUBSCRIBERS_PER_AREA_CODE * len(IMPORT_AREA_CODES) // max(count, 1)
    places = (divmod(n * step, SUBSCRIBERS_PER_AREA_CODE) for n in range(count))
    rows = (
        Suppression(
            workspace=workspace,
            phone_number=f"+1{IMPORT_AREA_CODES[area]}{FIRST_SUBSCRIBER + subscriber}",
        )
        for area, subscriber in places
    )
    while chunk := list(islice(rows, SUPPRESSED_NUMBERS_AT_ONCE)):
        Suppression.unscoped.bulk_create(chunk)


def is_database_in_use() -> bool:
    """Whether there are workspaces other than the benchmark's, which empties the database."""
    return Workspace.unscoped.exclude(name=IMPORT_WORKSPACE).exists()


def empty_database() -> None:
    clear_table(Recipient)
    clear_table(Suppression)
    RejectedRow.unscoped.all().delete()
    Workspace.unscoped.all().delete()


def clear_table(model: type[Recipient | Suppression]) -> None:
    """Delete all rows, with TRUNCATE where there is one, so that the next run finds none dead."""
    table = model._meta.db_table
    # With what refers to them, of which a benchmark has no rows.
    truncate = f'TRUNCATE "{table}" CASCADE'
    delete = f'DELETE FROM "{table}"'  # noqa: S608 - our own name
    with connection.cursor() as cursor:
        cursor.execute(truncate if connection.vendor == "postgresql" else delete)


def measure_import(batch: Batch) -> float:
    """Import the batch's list; returns the seconds. Raises RuntimeError when it fails."""
    began = time.monotonic()
    import_batch(batch.pk)
    seconds = time.monotonic() - began
    batch.refresh_from_db()
    if batch.status != Batch.Status.READY:
        raise RuntimeError(f"the import failed: {batch.error}")
    return seconds


def dump_rows(path: Path) -> None:
    """Write the stored recipients in COPY's format, in the order of the list."""
    table = Recipient._meta.db_table
    with path.open("wb") as file, connection.cursor() as cursor:
        # In list order, so that the bare COPY fills the indexes in the same order as the import.
        sql = f'COPY (SELECT * FROM "{table}" ORDER BY row_number) TO STDOUT'  # noqa: S608
        with cursor.copy(sql) as copy:
            for block in copy:
                file.write(block)


def measure_bare_copy(path: Path) -> float:
    """Insert dumped rows with a bare COPY; returns the seconds."""
    began = time.monotonic()
    sql = f'COPY "{Recipient._meta.db_table}" FROM STDIN'
    with path.open("rb") as file, connection.cursor() as cursor, cursor.copy(sql) as copy:
        while block := file.read(COPY_BLOCK_BYTES):
            copy.write(block)
    return time.monotonic() - began


def measure_naive_import(batch: Batch, path: Path, rows: int) -> float:
    """Import the first rows in the obvious way; returns the seconds.

    That is: the csv module, libphonenumber for each row, a set for duplicates, and bulk_create.
    """
    began = time.monotonic()
    seen: set[str] = set()
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        next(reader)
        recipients = _build_naively(batch, islice(reader, rows), seen)
        while chunk := list(islice(recipients, NAIVE_CHUNK_ROWS)):
            Recipient.unscoped.bulk_create(chunk)
    return time.monotonic() - began


def _build_naively(batch: Batch, rows: Iterator[list[str]], seen: set[str]) -> Iterator[Recipient]:
    for number, cells in enumerate(rows, start=2):
        try:
            parsed = phonenumbers.parse(cells[0], "US")
        except phonenumbers.NumberParseException:
            continue
        if not phonenumbers.is_valid_number(parsed):
            continue
        e164 = format_e164(parsed)
        yield Recipient(
            workspace_id=batch.workspace_id,
            batch=batch,
            row_number=number,
            phone_number=e164,
            values=cells,
            is_duplicate=e164 in seen,
            due_at=batch.created_at,
        )
        seen.add(e164)


def uploads_folder() -> Path:
    """The folder of uploaded lists, created when it does not exist."""
    path: Path = settings.DATA_DIR / "uploads"
    path.mkdir(parents=True, exist_ok=True)
    return path
