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
from batches.models import Batch, Recipient, RejectedRow
from batches.services.imports import import_batch

HEADER = ["Phone Number", "first_name", "appointment", "balance"]
NAMES = [
    "Ana",
    "Jürgen",
    "Lucía",
    "Noor",
    "Małgorzata",
    "Ravi",
    "Søren",
    "Thảo",
    "Oluwaseun",
    "Keiko",
]
REFUSED = ["12345", "call me", "", "1.20256E+10", "911"]
AREAS = [
    201,
    202,
    206,
    212,
    213,
    303,
    305,
    312,
    313,
    404,
    415,
    503,
    512,
    602,
    615,
    617,
    702,
    713,
    801,
    808,
]
BLOCK = 1 << 16
WORKSPACE = "Import benchmark"


def write_list(path: Path, rows: int, *, seed: int = 7) -> None:
    """A list as people send them: spellings mixed, two rows in a hundred refused, three duplicates."""
    dice = random.Random(seed)  # noqa: S311 - a benchmark, no secret
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        earlier: list[str] = []
        for number in range(rows):
            digits = f"{dice.choice(AREAS)}{dice.randrange(2, 10)}{dice.randrange(10**6):06}"
            lot = dice.random()
            if lot < 0.03 and earlier:
                digits = dice.choice(earlier)
            elif number % 100 == 0 and len(earlier) < 10_000:
                earlier.append(digits)
            phone = dice.choice(REFUSED) if lot > 0.98 else _spelled(digits, number % 4)
            day = f"2026-12-{dice.randrange(1, 29):02} {dice.randrange(9, 18):02}:00"
            writer.writerow([phone, dice.choice(NAMES), day, f"{dice.random() * 1000:.2f}"])


def _spelled(digits: str, how: int) -> str:
    area, exchange, line = digits[:3], digits[3:6], digits[6:]
    return (
        f"+1{digits}",
        f"({area}) {exchange}-{line}",
        f"+1-{area}-{exchange}-{line}",
        f" +1{digits} ",
    )[how]


def prepare(upload: str) -> Batch:
    """An empty database but for a batch whose list waits."""
    empty()
    workspace = Workspace.unscoped.create(name=WORKSPACE)
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


def holds_real_work() -> bool:
    """Whether the database is anybody's but the benchmark's, which empties it."""
    return Workspace.unscoped.exclude(name=WORKSPACE).exists()


def empty() -> None:
    clear_recipients()
    RejectedRow.unscoped.all().delete()
    Workspace.unscoped.all().delete()


def clear_recipients() -> None:
    """TRUNCATE where there is one: a benchmark's next run shall find no dead rows."""
    table = Recipient._meta.db_table
    verb = "TRUNCATE" if connection.vendor == "postgresql" else "DELETE FROM"
    with connection.cursor() as cursor:
        cursor.execute(f'{verb} "{table}"')


def import_list(batch: Batch) -> float:
    """Seconds our importer takes."""
    began = time.monotonic()
    import_batch(batch.pk)
    seconds = time.monotonic() - began
    batch.refresh_from_db()
    if batch.status != Batch.Status.READY:
        raise RuntimeError(f"the import failed: {batch.error}")
    return seconds


def dump_rows(path: Path) -> None:
    """The stored recipients in COPY's format, in the order of the list."""
    table = Recipient._meta.db_table
    with path.open("wb") as file, connection.cursor() as cursor:
        sql = f'COPY (SELECT * FROM "{table}" ORDER BY row_number) TO STDOUT'  # noqa: S608
        with cursor.copy(sql) as copy:
            for block in copy:
                file.write(block)


def bare_copy(path: Path) -> float:
    """Seconds PostgreSQL takes for the same rows, given to it as they are."""
    began = time.monotonic()
    sql = f'COPY "{Recipient._meta.db_table}" FROM STDIN'
    with path.open("rb") as file, connection.cursor() as cursor, cursor.copy(sql) as copy:
        while block := file.read(BLOCK):
            copy.write(block)
    return time.monotonic() - began


def naive_import(batch: Batch, path: Path, rows: int) -> float:
    """Seconds of the obvious importer: csv, libphonenumber for each row, a set, bulk_create(1000)."""
    began = time.monotonic()
    seen: set[str] = set()
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        next(reader)
        people = _naive_people(batch, islice(reader, rows), seen)
        while chunk := list(islice(people, 1000)):
            Recipient.unscoped.bulk_create(chunk)
    return time.monotonic() - began


def _naive_people(batch: Batch, rows: Iterator[list[str]], seen: set[str]) -> Iterator[Recipient]:
    for number, cells in enumerate(rows, start=2):
        try:
            parsed = phonenumbers.parse(cells[0], "US")
        except phonenumbers.NumberParseException:
            continue
        if not phonenumbers.is_valid_number(parsed):
            continue
        e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
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


def uploads() -> Path:
    path: Path = settings.DATA_DIR / "uploads"
    path.mkdir(parents=True, exist_ok=True)
    return path
