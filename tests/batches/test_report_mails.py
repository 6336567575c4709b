"""The weekly e-mail of a saved report: what it has, and that each is sent once."""

from datetime import UTC, datetime, timedelta
from smtplib import SMTPException
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import Workspace
from batches.models import ReportSubscription
from batches.reporting import report_mail
from batches.services import report_mails, saved_reports
from tests import make

NOW = datetime(2026, 3, 16, 8, tzinfo=UTC)  # a Monday
URL = "https://voiceops.example.com/console/unsubscribe/token"


@pytest.fixture
def due(ours: Workspace) -> ReportSubscription:
    return make.report_subscription(ours, due_at=timezone.now() - timedelta(minutes=1))


def test_mail_has_the_week_until_sunday_beside_the_one_before(ours: Workspace) -> None:
    ours.timezone = "Europe/Berlin"
    ours.save()
    monday = datetime(2026, 3, 8, 23, 30, tzinfo=UTC)  # in Berlin, it is Monday
    talk = {"outcome": "answered", "answered_at": monday, "ended_at": monday + timedelta(hours=1)}
    make.ended_call(ours, monday, **talk, agent=make.agent(ours), cost_micros=1_250_000)
    make.ended_call(ours, monday + timedelta(days=1))
    make.ended_call(ours, monday - timedelta(days=1))  # the Sunday before
    make.ended_call(ours, NOW - timedelta(hours=1))  # of this week

    composed = report_mail.compose(
        report=make.saved_report(ours, name="The week"),
        workspace=ours,
        now=NOW,
        unsubscribe_url=URL,
    )

    assert composed.subject == "Ours: The week, 9 March to 15 March 2026"
    assert composed.text.splitlines() == [
        "Ours: The week",
        "9 March to 15 March 2026, Europe/Berlin",
        "",
        "Calls                            2   +100 % against the days before",
        "Answered                         1",
        "Answer rate                 50.0 %   0.0 % before",
        "Talk time               1 h 00 min",
        "Cost of the models        1.25 USD",
        "",
        "By day",
        "Mon 9 Mar                        1   1 answered",
        "Tue 10 Mar                       1   0 answered",
        "",
        "How the calls ended",
        "Answered                         1",
        "No answer                        1",
        "",
        "The whole report: "
        "http://127.0.0.1:8000/console/reports?range=own&from=2026-03-09&to=2026-03-15",
        "",
        "You get this each Monday, because you asked for it.",
        f"To end it, no sign-in needed: {URL}",
    ]
    assert composed.headers == {
        "List-Unsubscribe": f"<{URL}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def test_mail_is_in_the_language_that_was_asked_for_and_in_html(ours: Workspace) -> None:
    ours.name = "Lind & Söhne"
    ours.save()
    at = NOW - timedelta(days=3)
    for _ in range(3):
        make.ended_call(ours, at, outcome="no_answer")
    costly = {"agent": make.agent(ours), "cost_micros": 1_234_500_000}
    make.ended_call(ours, NOW - timedelta(days=6), **costly)

    composed = report_mail.compose(
        report=make.saved_report(ours, name="<Woche>"),
        workspace=ours,
        now=NOW,
        unsubscribe_url=URL,
        language="de",
    )

    assert composed.subject == "Lind & Söhne: <Woche>, 9. März bis 15. März 2026"
    assert f"Anrufe{'4':>28}" in composed.text
    assert f"Kosten der Modelle{'1.234,50 USD':>16}" in composed.text
    assert f"Fr., 13. März{'3':>21}   0 angenommen" in composed.text
    assert f"Abbestellen, ohne Anmeldung: {URL}" in composed.text
    assert "<h1>Lind &amp; Söhne: &lt;Woche&gt;</h1>" in composed.html
    assert f'<a href="{URL}">' in composed.html
    assert ">Keine Antwort</td>" in composed.html


def test_range_of_the_mail_ends_with_the_last_sunday() -> None:
    days = report_mail.days_before_monday(NOW + timedelta(days=3), 30, ZoneInfo("UTC"))

    assert (f"{days.first}", f"{days.last}") == ("2026-02-14", "2026-03-15")


def test_due_mail_is_sent_once_and_the_next_is_due_on_monday(due: ReportSubscription) -> None:
    report_mails.send_due_reports()
    report_mails.send_due_reports()

    (sent,) = mail.outbox
    due.refresh_from_db()
    token = saved_reports.subscription_token(due)
    (html,) = getattr(sent, "alternatives")  # noqa: B009
    assert sent.to == [due.user.email]
    assert (html.mimetype, token in html.content) == ("text/html", True)
    assert f"/console/unsubscribe/{token}" in str(sent.body)
    assert f"/console/unsubscribe/{token}" in sent.extra_headers["List-Unsubscribe"]
    assert due.sent_at is not None
    assert due.due_at == saved_reports.next_monday(timezone.now(), due.workspace)


def test_of_two_workers_one_sends(due: ReportSubscription) -> None:
    twin = ReportSubscription.unscoped.select_related("report", "workspace", "user").get()

    sent = [report_mails.send_report(due), report_mails.send_report(twin)]

    assert sent == [True, False]
    assert len(mail.outbox) == 1


def test_mail_of_a_worker_that_died_is_sent_after_its_lease(
    due: ReportSubscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(**_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(report_mail, "compose", die)
        with pytest.raises(KeyboardInterrupt):
            report_mails.send_due_reports()
    report_mails.send_due_reports()
    before = len(mail.outbox)
    ReportSubscription.unscoped.update(due_at=timezone.now() - timedelta(seconds=1))
    report_mails.send_due_reports()

    assert (before, len(mail.outbox)) == (0, 1)


def test_worker_that_dies_while_it_sends_sends_none_twice(
    due: ReportSubscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any, **__: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("accounts.services.email_delivery.send_at_once", die)
        with pytest.raises(KeyboardInterrupt):
            report_mails.send_due_reports()
    report_mails.send_due_reports()

    due.refresh_from_db()
    assert mail.outbox == []
    assert due.due_at > timezone.now()


def test_refused_mail_is_tried_again(
    due: ReportSubscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise SMTPException("451 try later")

    with monkeypatch.context() as patched:
        patched.setattr("django.core.mail.EmailMessage.send", refuse)
        report_mails.send_due_reports()
    due.refresh_from_db()
    soon = timezone.now() + report_mails.MAIL_RETRY

    assert due.sent_at is None
    assert due.due_at <= soon


def test_who_left_the_workspace_gets_none(due: ReportSubscription) -> None:
    due.user.memberships.all().delete()

    report_mails.send_due_reports()

    assert mail.outbox == []
    assert not ReportSubscription.unscoped.exists()
