import json
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from django.utils.formats import date_format

from accounts.models import Workspace
from accounts.roles import Role
from batches.models import Batch, Recipient
from telephony.models import Call
from tests import make
from tests.console.browsers import reader, text_of

PART = {"HX-Request": "true"}
LISTS = Path(__file__).parents[1] / "fixtures" / "lists"


def form_of(ours: Workspace, **fields: Any) -> dict[str, Any]:
    """What the first step sends."""
    return {
        "agent_id": str(make.agent(ours).pk),
        "phone_number_id": str(make.phone_number(ours).pk),
        **fields,
    }


def upload(name: str) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, (LISTS / name).read_bytes())


def test_preview_says_what_a_file_comes_to(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.MANAGER))
    form = form_of(ours, file=upload("appointments.csv"), default_country="US")
    expected = json.loads((LISTS / "expected.json").read_text())["appointments.csv"]

    step = browser.post("/console/batches/new/columns", form, headers=PART)

    assert step.status_code == 200
    assert f'data-count="rows">{expected["rows"]}<' in step.content.decode()
    assert "What the columns mean" in text_of(step)


def test_pasted_rows_are_a_list_too_and_columns_may_be_chosen(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.MANAGER))
    form = form_of(ours, pasted="Telefon;Vorname\n+12025550101;Ada\n+12025550102;Grace\n")
    chosen = {
        "column-0": "Telefon",
        "meaning-0": "phone_number",
        "column-1": "Vorname",
        "meaning-1": "first_name",
    }

    when = browser.post("/console/batches/new/when", {**form, **chosen}, headers=PART)
    made = browser.post(
        "/console/batches/new",
        {**form, **chosen, "name": "Two", "start": "manual", "max_attempts": "3"},
        headers=PART,
    )
    batch = Batch.unscoped.get()

    assert "2 people at once" in text_of(when)
    assert made["HX-Redirect"] == f"/console/batches/{batch.pk}"
    assert batch.column_mapping == {"Telefon": "phone_number", "Vorname": "first_name"}
    assert (batch.start, batch.retry["max_attempts"]) == ("manual", 3)


def test_own_calling_window_is_the_batchs(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.MANAGER))
    hours = {"window_start": "09:00", "window_end": "12:30"}
    form = form_of(ours, pasted="phone\n+12025550101\n", name="Mornings", **hours)

    browser.post(
        "/console/batches/new", {**form, "own_window": "1", "days": ["1", "3"]}, headers=PART
    )

    assert Batch.unscoped.get().calling_window == {
        "timezone": "recipient",
        "spans": [{"days": [1, 3], "start": "09:00", "end": "12:30"}],
    }


def test_errors_of_a_list_are_displayed_and_nothing_is_stored(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.MANAGER))

    refused = browser.post(
        "/console/batches/new/columns", form_of(ours, file=upload("empty.csv")), headers=PART
    )
    missing = browser.post("/console/batches/new", form_of(ours), headers=PART)

    assert (refused.status_code, missing.status_code) == (422, 422)
    assert "empty" in text_of(refused)
    assert "File : Please fill this in." in text_of(missing)
    assert not Batch.unscoped.exists()


def test_list_from_another_site_is_refused_before_it_is_read(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.MANAGER))

    answer = browser.post(
        "/console/batches/new",
        form_of(ours, pasted="phone\n+12025550101\n", name="Evil"),
        headers={"Origin": "https://evil.example", **PART},
    )

    assert answer.status_code == 403
    assert not Batch.unscoped.exists()


def test_other_forms_need_the_token_of_the_page(ours: Workspace) -> None:
    batch = make.batch(ours)
    browser = reader(make.member(ours, Role.MANAGER))
    browser.handler.enforce_csrf_checks = True

    answer = browser.post(f"/console/batches/{batch.pk}/order/start")

    assert answer.status_code == 403
    assert Batch.unscoped.get().status == Batch.Status.READY


def test_one_number_is_called_first(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.MANAGER))
    form = form_of(ours, trial_to="+1 202 555 0186", first_variables='{"first_name": "Ada"}')

    called = browser.post("/console/batches/new/trial", form, headers=PART)
    refused = browser.post("/console/batches/new/trial", {**form, "trial_to": "911"}, headers=PART)
    call = Call.unscoped.get()

    assert "+12025550186 is being called." in text_of(called)
    assert call.variables == {"first_name": "Ada"}
    assert "notice bad" in refused.content.decode()


def test_orders_take_effect_and_answer_with_the_new_state(ours: Workspace) -> None:
    batch = make.batch(ours)
    make.recipient(batch)
    browser = reader(make.member(ours, Role.MANAGER))
    url = f"/console/batches/{batch.pk}/order/"

    answers = [
        browser.post(url + order, headers=PART) for order in ("start", "pause", "resume", "stop")
    ]
    again = browser.post(url + "resume", headers=PART)

    texts = [text_of(answer) for answer in answers]
    assert [text.split()[0] for text in texts] == ["Pause", "Resume", "Pause", "Stopped"]
    assert "1 person will not be called any more." in texts[0]
    assert "Cancelled" not in texts[3]
    assert "notice bad" in again.content.decode()


def test_stopping_may_hang_up(ours: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = make.batch(ours, status=Batch.Status.RUNNING)
    make.recipient(batch, status="in_call", due_at=None)
    browser = reader(make.member(ours, Role.MANAGER))
    asked: list[bool] = []
    monkeypatch.setattr(
        "batches.views.batches.services.stop_batch",
        lambda **order: asked.append(order["hang_up_active"]),
    )

    page = browser.get(f"/console/batches/{batch.pk}")
    for body in ({}, {"hang_up_active": "1"}):
        browser.post(f"/console/batches/{batch.pk}/order/stop", body, headers=PART)

    assert "Hang up the one call that is on the phone now." in text_of(page)
    assert asked == [False, True]


def test_bar_has_no_colour_of_success_for_what_did_not_happen(ours: Workspace) -> None:
    batch = make.batch(ours, status=Batch.Status.STOPPED)
    for status in ("cancelled", "skipped", "failed", "review"):
        make.recipient(batch, status=status, due_at=None)

    page = reader(make.member(ours)).get(f"/console/batches/{batch.pk}").content.decode()
    bar = page[page.index('<div class="bar"') :].partition("</div>")[0]

    assert "tone-reached" not in bar
    assert {"tone-none", "tone-unreached", "tone-review"} <= set(bar.replace('"', " ").split())


def test_batch_is_scheduled_by_the_clock_of_the_workspace(ours: Workspace) -> None:
    Workspace.unscoped.update(timezone="Europe/Berlin")
    browser = reader(make.member(ours, Role.MANAGER))
    day = timezone.localdate() + timedelta(days=10)
    at = datetime.combine(day, time(9, 30), ZoneInfo("Europe/Berlin"))
    form = form_of(ours, pasted="phone\n+12025550101\n", scheduled_at=f"{day}T09:30")

    when = browser.post("/console/batches/new/when", form, headers=PART)
    made = browser.post(
        "/console/batches/new", {**form, "name": "July", "start": "scheduled"}, headers=PART
    )

    assert made.status_code == 200, text_of(made)
    batch = Batch.unscoped.get()
    assert "Start at (time in Europe/Berlin)" in text_of(when)
    assert date_format(day, "j M Y") in text_of(when)  # the estimate is of that day
    assert made["HX-Redirect"] == f"/console/batches/{batch.pk}"
    assert (batch.start, batch.scheduled_at) == ("scheduled", at)


def test_scheduled_start_without_a_time_is_refused_in_words(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.MANAGER))
    form = form_of(ours, pasted="phone\n+12025550101\n", name="July", start="scheduled")

    answer = browser.post("/console/batches/new", form, headers=PART)

    assert answer.status_code == 422
    assert "Scheduled at : Please fill this in." in text_of(answer)
    assert not Batch.unscoped.exists()


def test_every_agent_can_be_chosen_however_many_there_are(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.views.rows.PAGE_SIZE", 2)
    for number in range(5):
        make.agent(ours, name=f"Agent {number}")
    make.phone_number(ours)

    page = reader(make.member(ours, Role.MANAGER)).get("/console/batches/new")

    assert [f"Agent {number}" in text_of(page) for number in range(5)] == [True] * 5


def test_reasons_are_sentences_with_a_next_step(ours: Workspace) -> None:
    batch = make.batch(ours)
    make.recipient(batch)
    make.rejected_row(batch)

    text = text_of(reader(make.member(ours)).get(f"/console/batches/{batch.pk}"))

    assert "The batch has not been started. Start the batch." in text


def test_members_see_numbers_masked_and_no_orders(ours: Workspace) -> None:
    batch = make.batch(ours, status=Batch.Status.RUNNING)
    make.recipient(batch, phone_number="+12025550186")
    texts = [
        text_of(reader(make.member(ours, role)).get(f"/console/batches/{batch.pk}{part}"))
        for role in (Role.MEMBER, Role.MANAGER)
        for part in ("", "/people")
    ]

    assert "Pause" not in texts[0]
    assert "+12025550186" not in texts[1]
    assert "+1202•••••86" in texts[1]
    assert "Pause" in texts[2]
    assert "+12025550186" in texts[3]


def test_case_in_review_is_decided_on_the_page(ours: Workspace) -> None:
    batch = make.batch(ours, status=Batch.Status.RUNNING)
    person = make.recipient(batch, status="review", due_at=None, reason="in_doubt")
    browser = reader(make.member(ours, Role.MANAGER))
    url = f"/console/batches/{batch.pk}/people"

    page = browser.get(url + "?status=review")
    browser.post(f"{url}/{person.pk}/release", {"reason": "asked the carrier"})

    assert "Decide" in text_of(page)
    assert Recipient.unscoped.get().status == "pending"
    assert "Will be called again." in text_of(browser.get(url))


def test_results_are_named_after_batch_and_day(ours: Workspace) -> None:
    batch = make.batch(ours, name="March reminders", status=Batch.Status.COMPLETED)
    make.recipient(batch, status="completed", outcome="answered", due_at=None)

    answer = reader(make.member(ours, Role.MANAGER)).get(
        f"/console/batches/{batch.pk}/file/results.csv"
    )

    assert answer["Content-Disposition"].startswith('attachment; filename="march-reminders-20')
    assert b"answered" in b"".join(answer)


def test_corrected_rows_are_appended(ours: Workspace) -> None:
    batch = make.batch(ours)
    make.rejected_row(batch)
    browser = reader(make.member(ours, Role.MANAGER))
    file = SimpleUploadedFile("rejected.csv", b"phone,first_name\n+12025550101,Ada\n")

    answer = browser.post(f"/console/batches/{batch.pk}/append", {"file": file})

    assert answer["Location"] == f"/console/batches/{batch.pk}"
    assert "The rows are being read." in text_of(browser.get(answer["Location"]))


def test_first_page_leads_to_the_first_batch(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.MANAGER))

    empty = text_of(browser.get("/"))
    missing = browser.get("/console/batches/new")
    make.batch(ours, status=Batch.Status.PAUSED, error="The carrier refuses every call.")
    later = text_of(browser.get("/"))

    assert "Your first batch" in empty
    assert "Register a number Make an agent" in text_of(missing)
    assert "The carrier refuses every call." in later
    assert "Your first batch" not in later


def test_a_batch_that_has_spent_its_budget_goes_on_when_its_page_raises_it(
    ours: Workspace,
) -> None:
    batch = make.batch(
        ours,
        status=Batch.Status.PAUSED,
        started_at=timezone.now(),
        max_cost={"amount": 0.5, "currency": "USD"},
        budget_spent_at=timezone.now(),
        error="The budget is spent",
    )
    make.recipient(batch)
    make.call(ours, batch_id=batch.pk, stage="ended", cost_micros=600_000)
    browser = reader(make.member(ours, Role.MANAGER))
    page = f"/console/batches/{batch.pk}"

    before = browser.get(page)
    refused = browser.post(f"{page}/budget", {"max_cost": "much"})
    answer = browser.post(f"{page}/budget", {"max_cost": "2.5"})

    assert "Cost 0.60 USD of 0.50 USD" in text_of(before)
    assert 'value="0.5"' in before.content.decode()
    assert (refused.status_code, answer["Location"]) == (302, page)
    assert "Max cost: A number is expected. The budget is saved." in text_of(browser.get(page))
    batch.refresh_from_db()
    assert (batch.status, batch.max_cost) == ("running", 2.5)


def test_a_new_batch_has_a_budget_and_an_estimate(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.MANAGER))
    agent = make.agent(ours, stt={"provider": "deepgram", "model": "nova-3"})
    form = form_of(ours, pasted="phone\n+12025550101\n", agent_id=str(agent.pk))

    when = browser.post("/console/batches/new/when", {**form, "max_cost": "5"}, headers=PART)
    browser.post(
        "/console/batches/new",
        {**form, "name": "One", "start": "manual", "max_cost": "5"},
        headers=PART,
    )

    assert "Budget in USD" in text_of(when)
    assert "About 0.00308 to 0.00462 USD for 1 person" in text_of(when)
    assert Batch.unscoped.get().max_cost == 5


def test_people_of_a_batch_lead_to_their_page_where_numbers_are_seen(ours: Workspace) -> None:
    batch = make.batch(ours)
    person = make.recipient(batch)
    address = f'href="/console/people/{person.phone_number}"'

    pages = {
        role: reader(make.member(ours, role)).get(f"/console/batches/{batch.pk}/people")
        for role in (Role.MEMBER, Role.MANAGER)
    }

    assert {role: address in page.content.decode() for role, page in pages.items()} == {
        Role.MEMBER: False,
        Role.MANAGER: True,
    }
    assert person.phone_number not in pages[Role.MEMBER].content.decode()
