import threading

import pytest

from accounts.models import Workspace
from batches.importing import import_job
from batches.importing.chunk_writer import ChunkWriter, PreparedChunk
from batches.importing.parallel_writer import ParallelWriter, WaitForTurn
from batches.models import Batch
from batches.services.imports import import_batch
from tests.batches.importing import lists


def test_chunks_are_prepared_in_parallel_and_finished_in_order() -> None:
    both_at_work, stored = threading.Barrier(2, timeout=10), []

    def store(chunk: int, wait_for_turn: WaitForTurn) -> None:
        both_at_work.wait()
        wait_for_turn()
        stored.append(chunk)

    with ParallelWriter(store) as writer:
        for chunk in range(8):
            writer.submit(chunk)
        writer.flush()

    assert stored == list(range(8))


def test_nothing_is_stored_after_a_failed_chunk() -> None:
    stored = []

    def store(chunk: int, wait_for_turn: WaitForTurn) -> None:
        wait_for_turn()
        if chunk == 2:
            raise ValueError("full")
        stored.append(chunk)

    def store_all() -> None:
        with ParallelWriter(store) as writer:
            for chunk in range(6):
                writer.submit(chunk)
            writer.flush()

    with pytest.raises(ValueError, match="full"):
        store_all()

    assert stored == [0, 1]


@pytest.fixture
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_job, "IMPORT_CHUNK_ROWS", 40)
    monkeypatch.setattr(import_job, "PARALLEL_FROM_ROWS", 80)


@pytest.mark.django_db(transaction=True)
def test_parallel_import_stores_the_same_rows(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lists.FIXTURES / "appointments.csv"
    in_order = lists.imported(ours, path)

    monkeypatch.setattr(import_job, "IMPORT_CHUNK_ROWS", 40)
    monkeypatch.setattr(import_job, "PARALLEL_FROM_ROWS", 80)
    in_parallel = lists.imported(ours, path)

    assert lists.recipients(in_parallel) == lists.recipients(in_order)
    assert lists.rejected(in_parallel) == lists.rejected(in_order)
    assert (in_parallel.status, in_parallel.rejected_count) == ("ready", in_order.rejected_count)
    assert in_parallel.rows_read == in_order.rows_read


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("short_chunks")
def test_interrupted_parallel_import_continues_without_gaps(
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
