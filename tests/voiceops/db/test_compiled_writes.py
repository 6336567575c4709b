"""A compiled write leaves what Django's own leaves."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from accounts.models import Workspace
from telephony.models import Call, CallEvent, InboxEvent, Stage
from tests import make
from voiceops.core.ids import uuid7
from voiceops.db.compiled_writes import MAX_KEPT_ROWS, CompiledUpdate, insert_rows

HEARD = CompiledUpdate(
    lambda pk, at, reason: (
        Call.unscoped.filter(pk=pk).exclude(stage=Stage.ENDED),
        {"heard_at": Greatest(Coalesce("heard_at", at), at), "end_reason": reason},
    ),
    pk=models.UUIDField(),
    at=models.DateTimeField(),
    reason=models.CharField(),
)


def event(call: Call, number: int) -> CallEvent:
    return CallEvent(
        workspace_id=call.workspace_id,
        call=call,
        type="usage",
        text=f"Event {number} of 100 %s",
        at=timezone.now(),
        data={"number": number, "nested": [None, "ä"]},
        external_id=str(number),
    )


def test_an_update_writes_its_values_to_the_rows_of_its_condition(ours: Workspace) -> None:
    call, other, ended = make.call(ours), make.call(ours), make.call(ours, stage=Stage.ENDED)
    now = timezone.now()
    for at, reason in ((now, "a"), (now - timedelta(seconds=5), None)):
        changed = [HEARD.run(pk=each.pk, at=at, reason=reason) for each in (call, ended)]

        assert changed == [1, 0]

    rows = Call.unscoped.order_by("pk").values_list("heard_at", "end_reason")
    assert list(rows) == [(now, None), (None, None), (None, None)]
    assert other.heard_at is None


def test_an_update_refuses_values_of_other_parameters() -> None:
    with pytest.raises(TypeError, match="needs values of"):
        HEARD.run(pk=None, at=None)


@pytest.mark.parametrize("count", [1, 2, MAX_KEPT_ROWS, MAX_KEPT_ROWS + 1])
def test_inserted_rows_read_as_those_that_django_inserts(ours: Workspace, count: int) -> None:
    call = make.call(ours)
    rows = [event(call, number) for number in range(count)]

    inserted = insert_rows(rows)

    names = [field.attname for field in CallEvent._meta.concrete_fields]
    stored = CallEvent.unscoped.order_by("pk").values_list(*names)
    assert inserted == count
    assert list(stored) == [tuple(getattr(row, name) for name in names) for row in rows]


def test_inserting_a_known_row_again_fails_or_changes_nothing(ours: Workspace) -> None:
    call = make.call(ours)
    insert_rows([event(call, 1)])

    inserted = insert_rows([event(call, 1), event(call, 2)], ignore_conflicts=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_rows([event(call, 2)])

    assert inserted == 1
    assert CallEvent.unscoped.count() == 2


def test_no_rows_cost_no_query(db: None, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert insert_rows([]) == 0


@pytest.mark.parametrize("body", [{}, {"a": {"b": [1, "\u2028", None, 1.5, 10**18]}}])
def test_a_json_body_comes_back_as_it_was(db: None, body: dict[str, Any]) -> None:
    row = InboxEvent(event_id="EV", event="x", room="r", body=body, received_at=timezone.now())

    insert_rows([row])

    assert InboxEvent.objects.get().body == body


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL prepares")
def test_postgresql_plans_a_kept_write_once(ours: Workspace) -> None:
    call = make.call(ours)

    HEARD.run(pk=call.pk, at=timezone.now(), reason="")
    insert_rows([event(call, 1)])

    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        statements = [statement for (statement,) in cursor.fetchall()]
    assert any('UPDATE "telephony_call"' in statement for statement in statements)
    assert any('INSERT INTO "telephony_callevent"' in statement for statement in statements)


def test_an_update_of_many_writes_what_each_alone_would(ours: Workspace) -> None:
    calls = [make.call(ours) for _ in range(3)] + [make.call(ours, stage=Stage.ENDED)]
    now = timezone.now()
    rows: list[dict[str, Any]] = [
        {"pk": call.pk, "at": now - timedelta(seconds=number), "reason": f"{number} %s"}
        for number, call in enumerate(calls)
    ]
    rows.append({"pk": uuid7(), "at": now, "reason": "unknown"})

    written = HEARD.run_unlocked(rows)

    assert set(written) == {call.pk for call in calls[:3]}
    stored = Call.unscoped.order_by("pk").values_list("heard_at", "end_reason")
    assert list(stored) == [(row["at"], row["reason"]) for row in rows[:3]] + [(None, None)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite locks no rows")
def test_an_update_of_many_waits_for_no_lock(ours: Workspace) -> None:
    locked, free = make.call(ours), make.call(ours)
    now = timezone.now()
    rows: list[dict[str, Any]] = [
        {"pk": call.pk, "at": now, "reason": "a"} for call in (locked, free)
    ]

    with transaction.atomic():
        Call.unscoped.select_for_update().get(pk=locked.pk)
        with ThreadPoolExecutor(1) as pool:
            written = pool.submit(_run_in_thread, rows).result(timeout=10)

    assert written == [free.pk]
    assert set(Call.unscoped.values_list("heard_at", flat=True)) == {None, now}


def _run_in_thread(rows: list[dict[str, Any]]) -> list[Any]:
    try:
        return HEARD.run_unlocked(rows)
    finally:
        connection.close()
