import io
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Workspace
from agents.models import Agent
from batches.models import Batch
from batches.services.preview import preview_list
from telephony.models import Stage
from tests import make

MONDAY_NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # 7:00 in Washington
WINDOW = {"days": [1, 2, 3, 4, 5], "start": "09:00", "end": "18:00", "timezone": "recipient"}
LIST = """Phone Number,first_name,city
+12025550186,Ada,Washington
(202) 555-0186,Ada again,Washington
+442079460018,Grace,London
+870773111632,Alan,at sea
+79161234567,Edsger,anywhere in Russia
12345,Kurt,nowhere
+12025550111,Barbara,Washington
"""


def test_preview_counts_who_would_be_called_and_why_others_would_not(
    ours: Workspace, data_dir: Path
) -> None:
    make.suppression(ours, phone_number="+12025550111")
    number = make.phone_number(ours, calls_per_second=1, max_concurrent_calls=10)

    preview = preview_list(
        content=iter([LIST.encode()]),
        agent=make.agent(ours),
        phone_number=number,
        now=MONDAY_NOON,
        default_country="US",
        calling_window=WINDOW,
    )

    assert preview["columns"] == ["Phone Number", "first_name", "city"]
    assert preview["column_mapping"] == {
        "Phone Number": "phone_number",
        "first_name": "first_name",
        "city": "city",
    }
    assert preview["counts"] == {
        "rows": 7,
        "valid": 3,
        "rejected": 2,
        "duplicate": 1,
        "suppressed": 1,
        "missing_variable": 0,
        "repaired": 0,
    }
    assert preview["not_called"] == {
        "duplicate": 1,
        "not_dialable": 1,
        "invalid_number": 1,
        "suppressed": 1,
        "zone_unknown": 1,
    }
    assert [(reason["code"], reason["count"]) for reason in preview["not_called_reasons"]] == [
        ("duplicate", 1),
        ("invalid_number", 1),
        ("not_dialable", 1),
        ("suppressed", 1),
        ("zone_unknown", 1),
    ]
    assert preview["not_called_reasons"][0] == {
        "code": "duplicate",
        "text": "The number already stands in this list.",
        "next_step": 'Nothing, or upload the list with on_duplicate "keep" to call every row.',
        "count": 1,
    }
    assert preview["calling"] == {
        "now": 1,
        "later": 1,
        "never": 1,
        "first_call_at": MONDAY_NOON,
        "estimated_end_at": datetime(2026, 3, 2, 14, 0, 4, 500_000, tzinfo=UTC),
        "calls_per_second": 0.222,
        "channels_needed": 45,
        "schedule": [
            {"first_call_at": MONDAY_NOON, "timezones": ["Europe/London"], "count": 1},
            {
                "first_call_at": MONDAY_NOON + timedelta(hours=2),
                "timezones": ["America/New_York"],
                "count": 1,
            },
        ],
    }
    assert preview["notes"] == [
        "The time zone of 1 number is not known (toll-free numbers, or mobiles of a country with "
        "several zones); 1 of them wait in review (zone_unknown). A column with the time zone, for "
        "example Europe/Moscow, tells when to call them; without it the workspace's unknown_zone "
        "decides"
    ]
    assert preview["first_rows"][1] == {
        "row_number": 3,
        "phone_number": "+12025550186",
        "variables": {"first_name": "Ada again", "city": "Washington"},
        "alternative_numbers": [],
        "status": "skipped",
        "reason": "duplicate",
        "first_call_at": None,
    }
    assert [(row["row_number"], row["error_code"]) for row in preview["first_rejected"]] == [
        (5, "not_dialable"),
        (7, "invalid_number"),
    ]


def test_preview_stores_nothing(ours: Workspace, data_dir: Path) -> None:
    file = io.BytesIO(LIST.encode())
    file.name = "list.csv"
    fields = {
        "name": "List",
        "agent_id": str(make.agent(ours).pk),
        "phone_number_id": str(make.phone_number(ours).pk),
    }

    response = make.client(ours).post(
        "/batches/preview", {**fields, "file": file}, format="multipart"
    )

    assert response.status_code == 200
    assert response.json()["counts"]["rows"] == 7
    assert not Batch.unscoped.exists()
    assert list((data_dir / "uploads").iterdir()) == []


def test_estimate_continues_in_the_next_calling_window(ours: Workspace) -> None:
    rows = "".join(f"+1202555{n:04}\n" for n in range(100, 200))
    number = make.phone_number(ours, calls_per_second=0.01, max_concurrent_calls=10)

    preview = preview_list(
        content=iter([f"phone\n{rows}".encode()]),
        agent=make.agent(ours),
        phone_number=number,
        now=MONDAY_NOON,
        calling_window=WINDOW | {"start": "09:00", "end": "10:00"},
    )

    # A hundred calls take 10 000 seconds: two hours and 2 800 seconds, an hour a day.
    assert preview["calling"]["estimated_end_at"] == datetime(2026, 3, 4, 14, 46, 40, tzinfo=UTC)


def test_estimate_respects_the_workspaces_concurrency_limit(ours: Workspace) -> None:
    ours.max_concurrent_calls = 9
    ours.save(update_fields=["max_concurrent_calls"])
    number = make.phone_number(ours, calls_per_second=20, max_concurrent_calls=200)

    preview = preview_list(
        content=[{"phone_number": "+12025550186"}],
        agent=make.agent(ours),
        phone_number=number,
        now=MONDAY_NOON,
    )

    assert preview["calling"]["calls_per_second"] == 0.2  # nine channels, 45 seconds a call


def test_preview_reports_a_required_variable_without_a_column(ours: Workspace) -> None:
    agent = make.agent(ours, variables=[{"name": "appointment", "required": True, "default": None}])

    preview = preview_list(
        content=iter([b"phone\n+12025550186\n"]),
        agent=agent,
        phone_number=make.phone_number(ours),
        now=MONDAY_NOON,
    )

    assert preview["counts"]["missing_variable"] == 1
    assert preview["calling"]["estimated_end_at"] is None


def test_slow_preview_reports_how_many_rows_it_read(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batches.services.preview.MAX_PREVIEW_SECONDS", -1.0)
    monkeypatch.setattr("batches.services.preview.PREVIEW_CHUNK_ROWS", 2)

    preview = preview_list(
        content=iter([LIST.encode()]),
        agent=make.agent(ours),
        phone_number=make.phone_number(ours),
        now=MONDAY_NOON,
        default_country="US",
    )

    assert preview["counts"]["rows"] == 2
    assert preview["notes"] == [
        "Only the first 2 rows were checked for this preview; "
        "the others are checked when the list is imported"
    ]


def test_time_to_store_and_open_the_list_counts_for_the_preview(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batches.services.preview.MAX_PREVIEW_SECONDS", 0.3)
    monkeypatch.setattr("batches.services.preview.PREVIEW_CHUNK_ROWS", 2)

    def arrive_slowly() -> Iterator[bytes]:
        time.sleep(0.4)
        yield LIST.encode()

    preview = preview_list(
        content=arrive_slowly(),
        agent=make.agent(ours),
        phone_number=make.phone_number(ours),
        now=MONDAY_NOON,
        default_country="US",
    )

    assert preview["counts"]["rows"] == 2


def test_preview_accepts_zero_as_a_required_variable_as_the_import_does(ours: Workspace) -> None:
    agent = make.agent(ours, variables=[{"name": "balance", "required": True, "default": None}])

    preview = preview_list(
        content=[{"phone_number": "+12025550186", "variables": {"balance": 0}}],
        agent=agent,
        phone_number=make.phone_number(ours),
        now=MONDAY_NOON,
    )

    assert preview["counts"]["missing_variable"] == 0


@pytest.mark.parametrize(
    ("gap", "note"),
    [
        (
            240,
            "2 of them stand in another running batch, too: a number that one batch has rung is "
            "called by the other at least 240 minutes later",
        ),
        (0, "2 of them stand in another running batch, too, and may be rung by both"),
    ],
)
def test_preview_says_who_stands_in_another_running_batch(
    ours: Workspace, data_dir: Path, gap: int, note: str
) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(min_gap_minutes=gap)
    running = make.batch(ours, status=Batch.Status.RUNNING)
    ready = make.batch(ours)
    for batch, number in ((running, "86"), (running, "11"), (running, "12"), (ready, "13")):
        make.recipient(batch, phone_number=f"+120255501{number}")
    content = "phone\n+12025550186\n+12025550111\n+12025550113\n"

    preview = preview_list(
        content=iter([content.encode()]),
        agent=make.agent(Workspace.unscoped.get(pk=ours.pk)),
        phone_number=make.phone_number(ours),
        now=MONDAY_NOON,
    )

    assert preview["notes"] == [note]


def test_preview_needs_no_name(ours: Workspace, data_dir: Path) -> None:
    body = {
        "agent_id": str(make.agent(ours).pk),
        "phone_number_id": str(make.phone_number(ours).pk),
        "recipients": [{"phone_number": "+12025550186"}],
    }

    response = make.client(ours).post("/batches/preview", body)

    assert (response.status_code, response.json()["counts"]["valid"]) == (200, 1)


# --- what it will cost


def estimated(of: Agent, **fields: Any) -> tuple[dict[str, Any], list[str]]:
    """The estimate of a list of four people, and the notes."""
    people = "phone\n" + "".join(f"+1202555018{last}\n" for last in range(4))
    preview = preview_list(
        content=iter([people.encode()]),
        agent=of,
        phone_number=make.phone_number(of.workspace),
        now=MONDAY_NOON,
        retry={"max_attempts": 2, "delay_minutes": [30], "outcomes": ["busy"]},
        **fields,
    )
    return preview["estimated_cost"], preview["notes"]


def test_preview_estimates_the_cost_by_the_agents_last_calls(
    ours: Workspace, data_dir: Path
) -> None:
    agent = make.agent(ours)
    for micros, answered_at in (
        (400_000, MONDAY_NOON),
        (600_000, MONDAY_NOON),
        (None, None),
        (0, None),
    ):
        make.call(
            ours,
            agent=agent,
            stage=Stage.ENDED,
            dialed_at=MONDAY_NOON,
            answered_at=answered_at,
            cost_micros=micros,
        )

    # Half of four answer at first, three quarters after a second attempt, at 0.50 each.
    assert estimated(agent) == (
        {
            "low": 0.8,
            "high": 1.8,
            "currency": "USD",
            "text": "About 0.80 to 1.80 USD for 4 people, as the agent's last 2 answered calls "
            "did; without the carrier's minutes",
        },
        [],
    )
    assert estimated(agent, max_cost=0.9)[1] == [
        "A max_cost of 0.90 USD may suffice for no more than about 2 of 4 people: then the batch "
        "pauses until it is raised"
    ]


def test_preview_of_an_agent_without_calls_estimates_by_the_price_table(
    ours: Workspace, data_dir: Path
) -> None:
    agent = make.agent(ours, stt={"provider": "deepgram", "model": "nova-3"}, tts={"provider": "x"})

    # A minute of nova-3 is 0.0077.
    assert estimated(agent)[0] == {
        "low": 0.01232,
        "high": 0.02772,
        "currency": "USD",
        "text": "About 0.01 to 0.03 USD for 4 people, by the price table, with half of them "
        "answering for a minute; without the carrier's minutes and without x, which has no price",
    }
    assert estimated(agent, max_cost=5)[1] == ["max_cost does not count x, which has no price"]


def test_preview_says_when_nothing_has_a_price(ours: Workspace, data_dir: Path) -> None:
    agent = make.agent(ours, llm={"provider": "acme", "model": "one"})

    assert estimated(agent, max_cost=5) == (
        {
            "low": None,
            "high": None,
            "currency": "USD",
            "text": "What the calls cost is not known: the price table has no price for acme one",
        },
        ["max_cost may not stop this batch: the price table has no price for acme one"],
    )
