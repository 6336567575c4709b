import threading

import pytest

from accounts.models import Workspace
from batches.importing import import_job
from batches.importing.chunk_writer import ChunkWriter, PreparedChunk
from batches.importing.parallel_writer import ParallelWriter, WaitForTurn
from batches.models import Batch
from batches.services.imports import import_batch
from tests.batches.importing import lists


def test_a_chunk_waits_for_the_one_before_and_works_beside_it() -> None:
    both_at_work, stored = threading.Barrier(2, timeout=10), []

    def keep(chunk: int, wait_for_turn: WaitForTurn) -> None:
        both_at_work.wait()
        wait_for_turn()
        stored.append(chunk)

    with ParallelWriter(keep) as lanes:
        for chunk in range(8):
            lanes.submit(chunk)
        lanes.flush()

    assert stored == list(range(8))


def test_nothing_is_stored_behind_a_chunk_that_failed() -> None:
    stored = []

    def keep(chunk: int, wait_for_turn: WaitForTurn) -> None:
        wait_for_turn()
        if chunk == 2:
            raise ValueError("full")
        stored.append(chunk)

    def keep_all() -> None:
        with ParallelWriter(keep) as lanes:
            for chunk in range(6):
                lanes.submit(chunk)
            lanes.flush()

    with pytest.raises(ValueError, match="full"):
        keep_all()

    assert stored == [0, 1]


@pytest.fixture
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_job, "IMPORT_CHUNK_ROWS", 40)
    monkeypatch.setattr(import_job, "PARALLEL_FROM_ROWS", 80)


@pytest.mark.django_db(transaction=True)
def test_a_long_list_has_the_same_rows_as_one_stored_in_order(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lists.FIXTURES / "appointments.csv"
    in_order = lists.imported(ours, path)

    monkeypatch.setattr(import_job, "IMPORT_CHUNK_ROWS", 40)
    monkeypatch.setattr(import_job, "PARALLEL_FROM_ROWS", 80)
    in_lanes = lists.imported(ours, path)

    assert lists.recipients(in_lanes) == lists.recipients(in_order)
    assert lists.rejected(in_lanes) == lists.rejected(in_order)
    assert (in_lanes.status, in_lanes.rejected_count) == ("ready", in_order.rejected_count)
    assert in_lanes.rows_read == in_order.rows_read


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("short_chunks")
def test_a_long_list_that_died_has_no_holes_and_goes_on(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lists.FIXTURES / "appointments.csv"
    whole, broken = lists.imported(ours, path), lists.batch(ours, path)
    insert = ChunkWriter.insert

    def insert_and_die(writer: ChunkWriter, prepared: PreparedChunk) -> None:
        insert(writer, prepared)
        if prepared.last_row > 300:
            raise SystemExit  # rolled back, as by a kill

    monkeypatch.setattr(ChunkWriter, "insert", insert_and_die)
    with pytest.raises(SystemExit):
        import_batch(broken.pk)
    monkeypatch.setattr(ChunkWriter, "insert", insert)
    broken.refresh_from_db()
    reached = [int(str(row[0])) for row in (*lists.recipients(broken), *lists.rejected(broken))]
    Batch.unscoped.filter(pk=broken.pk).update(import_lease_expires_at=None)
    import_batch(broken.pk)

    assert max(reached) == broken.rows_read <= 300
    assert lists.recipients(broken) == lists.recipients(whole)
    assert lists.rejected(broken) == lists.rejected(whole)
