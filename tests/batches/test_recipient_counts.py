"""Counts of recipients: equal to the recipients at any time, whoever writes to their table.

Every other test of this folder ends by comparing them, too (conftest.py).
"""

import random
import threading
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import connection, connections, transaction
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import Workspace
from batches.dialing.reservation import claim_recipients
from batches.dialing.settlement import mark_in_call, settle_calls
from batches.models import Batch, Recipient, RecipientCount
from batches.models.count_triggers import TRIGGER_NAMES, drop_triggers, lacks_triggers
from batches.reporting.progress import counts_of
from batches.services.batches import delete_batch, start_batch, stop_batch
from batches.services.erasure import erase_recipients
from batches.services.imports import import_batch
from batches.services.recipient_counts import (
    fold_counts,
    recount,
    recount_everything,
    restore_counts,
)
from batches.services.review import close_recipient, release_recipient
from tests import make
from tests.batches.dialing.ended_calls import ended_call
from tests.batches.importing import lists
from tests.recipient_counts import actual_counts, kept_counts
from voiceops.core.errors import StateForbids
from voiceops.core.ids import uuid7

STATUSES = Recipient.Status.values
NUMBERS = [f"+120255501{ending:02}" for ending in range(40)]


class History:
    """What happens to the recipients of two workspaces, in random order."""

    def __init__(self, workspaces: list[Workspace], seed: int) -> None:
        self.workspaces, self.random = workspaces, random.Random(seed)  # noqa: S311 no secret
        self.steps = [
            *(self.read_list, self.append, self.start, self.call, self.settle, self.decide),
            *(self.erase, self.stop, self.delete, self.write, self.write_by_sql, self.fail),
            *(fold_counts, self.count_again),
        ]

    def step(self) -> None:
        with suppress(StateForbids):  # what a batch's state refuses has moved nobody
            self.random.choice(self.steps)()

    def some_batch(self, *statuses: str) -> Batch | None:
        batches = Batch.unscoped.filter(status__in=statuses or Batch.Status.values)
        return self.random.choice(list(batches.order_by("pk")) or [None])

    def some_list(self) -> str:
        numbers = self.random.choices([*NUMBERS, "12345"], k=8)
        return "phone\n" + "\n".join(numbers) + "\n"

    def read_list(self) -> None:
        lists.imported(self.random.choice(self.workspaces), self.some_list())

    def append(self) -> None:
        if batch := self.some_batch("ready", "running"):
            rows = {"rows_before": batch.rows_before + batch.rows_read, "rows_read": 0}
            upload = lists.keep(self.some_list())
            Batch.unscoped.filter(pk=batch.pk).update(upload=upload, **rows)
            import_batch(batch.pk)

    def start(self) -> None:
        if batch := self.some_batch("ready"):
            Batch.unscoped.filter(pk=batch.pk).update(
                phone_number=make.phone_number(batch.workspace)
            )
            batch.refresh_from_db()
            start_batch(batch=batch)

    def call(self) -> None:
        if batch := self.some_batch("running"):
            assert batch.phone_number is not None
            claim_recipients(batch.phone_number.pk, owner=uuid7(), max_calls=5)
            mark_in_call()

    def settle(self) -> None:
        if batch := self.some_batch("running", "stopped"):
            for recipient in batch.recipients.filter(status__in=Recipient.Status.waiting())[:2]:
                outcome = self.random.choice(["busy", "answered", "no_answer"])
                ended_call(batch, recipient, outcome=outcome)
            settle_calls()

    def decide(self) -> None:
        Recipient.unscoped.filter(pk__in=self.some_ids()).update(
            status="review", reason="in_doubt", due_at=None
        )
        for recipient in Recipient.unscoped.filter(status="review").select_related("batch"):
            decide = self.random.choice([release_recipient, close_recipient])
            decide(recipient=recipient, reason=self.random.choice(["she said so", "checked"]))

    def erase(self) -> None:
        called = Recipient.unscoped.filter(status__in=Recipient.Status.calling())
        free = sorted(set(NUMBERS) - set(called.values_list("phone_number", flat=True)))
        erase_recipients(self.random.choice(self.workspaces), self.random.choice(free))

    def stop(self) -> None:
        if batch := self.some_batch("ready", "running"):
            stop_batch(batch=batch)

    def delete(self) -> None:
        if batch := self.some_batch("ready", "stopped", "completed"):
            delete_batch(batch=batch)

    def write(self) -> None:
        rows = list(Recipient.unscoped.filter(pk__in=self.some_ids()))
        for row in rows:
            row.status, row.attempts = self.random.choice(STATUSES), self.random.randrange(3)
            row.outcome = self.random.choice([None, "busy", "answered"])
        Recipient.unscoped.bulk_update(rows, ["status", "attempts", "outcome"])
        for row in rows[:1]:
            row.status = "skipped"
            row.save()

    def write_by_sql(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE batches_recipient SET status = 'failed' WHERE row_number = 3")
            cursor.execute("DELETE FROM batches_recipient WHERE row_number = 5")
            cursor.execute("UPDATE batches_recipient SET attempts = 2 WHERE status = 'retrying'")

    def fail(self) -> None:
        """Nothing is counted of what is rolled back."""
        with transaction.atomic():
            Recipient.unscoped.update(status="completed")
            transaction.set_rollback(True)

    def count_again(self) -> None:
        list(recount_everything())

    def some_ids(self) -> list[UUID]:
        ids = list(Recipient.unscoped.order_by("pk").values_list("pk", flat=True))
        return self.random.sample(ids, min(3, len(ids)))


@pytest.mark.parametrize("seed", range(2))
def test_counts_equal_the_recipients_after_any_history(
    ours: Workspace, theirs: Workspace, seed: int, settings: Settings, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    history = History([ours, theirs], seed)
    for _ in range(3):
        history.read_list()

    statuses = set()
    for _ in range(40):
        history.step()
        assert kept_counts() == actual_counts()
        statuses |= {status for _, status, *_ in kept_counts()}

    assert len(statuses) > 5


def test_folding_leaves_one_row_of_each_key_and_none_of_what_is_gone(ours: Workspace) -> None:
    batch, deleted = make.batch(ours), make.batch(ours)
    for row in (*(make.recipient(batch) for _ in range(3)), make.recipient(deleted)):
        Recipient.unscoped.filter(pk=row.pk).update(status="dialing")
        Recipient.unscoped.filter(pk=row.pk).update(status="completed", outcome="answered")
    delete_batch(batch=deleted)

    while fold_counts():
        pass

    rows = RecipientCount.unscoped.values_list(
        "batch_id", "status", "outcome", "recipients", "is_folded"
    )
    assert list(rows) == [(batch.pk, "completed", "answered", 3, True)]


def test_counts_that_are_wrong_are_right_after_a_recount(
    ours: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = make.batch(ours)
    make.recipient(batch)
    RecipientCount.unscoped.update(recipients=40)

    call_command("count_recipients")
    assert counts_of([batch])[batch.pk]["pending"] == 40
    call_command("count_recipients", "--again")

    assert counts_of([batch])[batch.pk]["pending"] == 1
    assert capsys.readouterr().out.endswith("are counted, in 1 rows\n")


def test_adding_up_nothing_is_one_query(
    django_assert_num_queries: DjangoAssertNumQueries, db: None
) -> None:
    with django_assert_num_queries(1):
        fold_counts()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL changes tables in place")
def test_triggers_that_a_migration_has_lost_are_put_back_after_it(ours: Workspace) -> None:
    batch = make.batch(ours)
    make.recipient(batch)
    drop_triggers(connection)
    assert lacks_triggers(connection)
    make.recipient(batch)

    restore_counts()

    assert not lacks_triggers(connection)
    assert counts_of([batch])[batch.pk]["pending"] == 2
    assert len(TRIGGER_NAMES) == 3


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
def test_counts_stay_right_while_others_fold_and_recount(transactional_db: None) -> None:
    ours = make.workspace(name="Ours")
    batch = make.batch(ours)
    rows = [make.recipient(batch).pk for _ in range(8)]
    is_over = threading.Event()

    def move(which: list[UUID]) -> None:
        try:
            chooser = random.Random(str(which))  # noqa: S311 no secret
            while not is_over.is_set():
                status = chooser.choice(STATUSES)
                Recipient.unscoped.filter(pk__in=which).update(status=status)
        finally:
            connections.close_all()

    movers = [threading.Thread(target=move, args=(rows[part::2],)) for part in range(2)]
    for mover in movers:
        mover.start()
    try:
        totals = set()
        for _ in range(40):
            fold_counts()
            totals.add(counts_of([batch])[batch.pk]["total"])
            recount([batch.pk])
            totals.add(counts_of([batch])[batch.pk]["total"])
    finally:
        is_over.set()
        for mover in movers:
            mover.join()

    assert totals == {8}
    assert kept_counts() == actual_counts()
