"""Figures over a range of days: drawn, as tables and as files."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from accounts.models import Workspace
from accounts.roles import Role
from batches.models import ReportSubscription, SavedReport
from batches.services import saved_reports
from console.views import report_ranges, report_tables
from tests import make
from tests.console.browsers import reader, text_of, visitor

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
TWO_DAYS = "range=own&from=2026-03-09&to=2026-03-10"


@pytest.fixture
def some_calls(ours: Workspace) -> Workspace:
    agent = make.agent(ours, name="Reception")
    make.ended_call(
        ours,
        NOON,
        agent=agent,
        outcome="answered",
        answered_at=NOON,
        ended_at=NOON + timedelta(seconds=90),
        sip_status_code=200,
        cost_micros=1_250_000,
    )
    make.ended_call(ours, NOON, agent=agent, outcome="busy", sip_status_code=486)
    make.ended_call(ours, NOON - timedelta(days=1, hours=3), agent=agent)
    return ours


def test_report_adds_up_the_calls_of_its_days(some_calls: Workspace) -> None:
    page = reader(make.member(some_calls)).get(f"/console/reports?{TWO_DAYS}")

    text = text_of(page)
    assert "Calls 3 Answered 1 Answer rate 33.3 % Talk time 1:30" in text
    assert "Cost of the models 1.25 USD" in text
    assert "10 Mar 2 1 50 % 1:30" in text
    assert "486 Busy 1" in text
    assert "+12025550100 3 1 33.3 % 1:30" in text
    assert "Reception, version 1 3 1 33.3 % 1:30 \N{EN DASH} 1.25 USD" in text


def test_one_day_is_drawn_by_the_hour_of_the_reader(some_calls: Workspace) -> None:
    browser = reader(make.member(some_calls))
    browser.cookies["console_timezone"] = "Asia/Tokyo"

    text = text_of(browser.get("/console/reports?range=own&from=2026-03-10&to=2026-03-10"))

    assert "Calls by hour" in text
    assert "21:00 2 1 50 % 1:30" in text


def test_heat_map_has_the_share_answered_of_each_hour(some_calls: Workspace) -> None:
    page = reader(make.member(some_calls)).get(f"/console/reports?{TWO_DAYS}")

    html = page.content.decode()
    assert 'class="level-3" title="1 of 2 answered"' in html
    assert 'class="level-1" title="0 of 1 answered"' in html


def test_days_without_calls_lead_on(ours: Workspace) -> None:
    text = text_of(reader(make.member(ours)).get("/console/reports"))

    assert "No call in these days" in text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("range=own", "Choose a first and a last day."),
        ("range=own&from=2026-03-11&to=2026-03-10", "must not be after the last one"),
        ("range=own&from=1990-01-01&to=2026-03-10", "Choose at most ten years."),
        ("range=own&from=0001-01-01&to=0001-01-02", "Choose at most ten years."),
        ("range=own&from=yesterday&to=2026-03-10", "Choose a first and a last day."),
    ],
)
def test_days_that_are_no_range_are_refused_in_words(
    query: str, words: str, ours: Workspace
) -> None:
    answer = reader(make.member(ours)).get(f"/console/reports?{query}")
    file = reader(make.member(ours)).get(f"/console/reports/file/day?{query}")

    assert (answer.status_code, file.status_code) == (422, 400)
    assert words in text_of(answer)
    assert words in text_of(file)


def test_files_have_the_figures_of_the_page(some_calls: Workspace) -> None:
    browser = reader(make.member(some_calls))

    files = {
        name: browser.get(f"/console/reports/file/{name}?{TWO_DAYS}")
        for name in report_tables.FILE_CRITERIA
    }

    head = "key,name,calls,ended,answered,answer_rate,talk_seconds,cost,currency,"
    assert files["day"].content.decode("utf-8-sig").splitlines() == [
        f"{head}answered,busy,no_answer",
        "2026-03-09,,1,1,0,0.0,0.0,,,0,0,1",
        "2026-03-10,,2,2,1,0.5,90.0,,,1,1,0",
    ]
    disposition = files["agent_version"]["Content-Disposition"]
    assert disposition.endswith('"calls-by-agent-version-2026-03-09-2026-03-10.csv"')
    rows = files["agent_version"].content.decode("utf-8-sig").splitlines()
    assert rows[1].split(",", 1)[1] == '"Reception, version 1",3,3,1,0.3333,90.0,1.25,USD,1,1,1'
    assert files["number"].content.decode("utf-8-sig").splitlines()[1].startswith("+12025550100,")
    assert browser.get("/console/reports/file/room").status_code == 404


def test_range_is_kept_under_a_name_for_everybody_and_forgotten(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.MANAGER))
    own = {"range": "own", "from": "2026-03-01", "to": "2026-03-31"}

    kept = browser.post("/console/reports", {**own, "name": "March"})
    again = browser.post("/console/reports", {**own, "name": "March"})
    refused = text_of(browser.get(again["Location"]))
    page = reader(make.member(ours)).get("/console/reports").content.decode()
    report = SavedReport.unscoped.get()
    browser.post("/console/reports", {"range": "7", "forget": str(report.pk)})
    later = text_of(reader(make.member(ours)).get("/console/reports"))

    link = "?range=own&amp;from=2026-03-01&amp;to=2026-03-31"
    assert kept["Location"] == "/console/reports?range=own&from=2026-03-01&to=2026-03-31"
    assert (report.first_day, report.last_day) == (date(2026, 3, 1), date(2026, 3, 31))
    assert "A report of this name is kept already." in refused
    assert f'<a href="{link}"' in page
    assert "1 Mar 2026 \N{EN DASH} 31 Mar 2026" in page
    assert "March" not in later


def test_member_gets_a_range_by_mail_each_monday_until_they_end_it(ours: Workspace) -> None:
    report = make.saved_report(ours, name="The week", days=7)
    user = make.member(ours)
    browser = reader(user)

    german = {"Accept-Language": "de"}
    browser.post("/console/reports", {"range": "7", "subscribe": str(report.pk)}, headers=german)
    page = text_of(browser.get("/console/reports?range=7"))
    subscribed = list(report.subscriptions.values_list("user", "language"))
    browser.post("/console/reports", {"range": "7", "unsubscribe": str(report.pk)})

    assert "The week the last 7 days Do not send it any more" in page
    assert "on Mondays at 7:00 of Etc/UTC" in page or "on Mondays at 7:00 of UTC" in page
    assert subscribed == [(user.pk, "de")]
    assert not report.subscriptions.exists()


def test_link_of_the_mail_ends_it_without_a_session_and_asks_first(ours: Workspace) -> None:
    subscription = make.report_subscription(ours)
    path = f"/console/unsubscribe/{saved_reports.subscription_token(subscription)}"
    checking = Client(enforce_csrf_checks=True)

    opened = text_of(visitor().get(path))
    still_there = ReportSubscription.unscoped.count()
    ended = text_of(checking.post(path, {"List-Unsubscribe": "One-Click"}))
    repeated = text_of(checking.post(path))
    forged = text_of(visitor().get(f"{path[:-3]}xyz"))

    assert f"{subscription.user.email} gets the report" in opened
    assert still_there == 1
    assert "This e-mail is not sent any more." in ended
    assert not ReportSubscription.unscoped.exists()
    assert "was ended before" in repeated
    assert "was ended before" in forged


def test_days_are_those_of_the_zone_when_clocks_change() -> None:
    span = report_ranges.range_of(
        {"range": "own", "from": "2026-03-29", "to": "2026-03-29"},
        ZoneInfo("Europe/Berlin"),
        NOON,
    )

    assert span.until - span.since == timedelta(days=1)  # by the wall clock
    assert span.query == {"from": "2026-03-29T00:00:00+01:00", "to": "2026-03-30T00:00:00+02:00"}


def test_many_days_are_days_of_utc(some_calls: Workspace) -> None:
    query = "range=own&from=2025-12-01&to=2026-03-31"

    text = text_of(reader(make.member(some_calls, Role.ADMIN)).get(f"/console/reports?{query}"))

    assert "Of more than 61 days, each is a day of UTC." in text
    assert "10 Mar 2026 2 1 50 % 1:30" in text
    assert "When people answer" not in text
