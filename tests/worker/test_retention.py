"""Expired rows and files are deleted, in every worker and by command."""

import io
import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session as BrowserSession
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone

from accounts.models import IdempotentRequest, Workspace
from tests import make
from voiceops.core.errors import ProviderError
from voiceops.core.terminal import progress_dots
from webhooks.models import WebhookEvent
from worker.periodic import retention
from worker.threads import PeriodicThread


def test_prune_deletes_every_kind_and_prints_how_many(ours: Workspace) -> None:
    long_ago = timezone.now() - timedelta(days=31)
    make.invitation(ours, expires_at=long_ago)
    request = IdempotentRequest.objects.create(scope="key", key="key", fingerprint="fingerprint")
    IdempotentRequest.objects.filter(pk=request.pk).update(created_at=long_ago)
    event = make.delivery(make.webhook(ours)).event
    WebhookEvent.unscoped.filter(pk=event.pk).update(created_at=long_ago)
    BrowserSession.objects.create(session_key="old", session_data="", expire_date=long_ago)
    out = io.StringIO()

    call_command("prune", stdout=out)

    assert out.getvalue() == (
        "Deleted 0 sessions, 0 password resets, 1 invitations, 1 idempotency keys, "
        "0 login attempts, 0 webhooks received, 1 webhooks sent, 0 transcripts, 0 recordings\n"
    )
    assert not BrowserSession.objects.exists()


@pytest.mark.parametrize(
    "error", [ProviderError("S3 error: gone"), OperationalError("gone"), KeyError("bug")]
)
@pytest.mark.django_db
def test_error_is_logged_and_the_thread_goes_on(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def prune_all() -> Iterator[tuple[str, int]]:
        yield "sessions", 1
        raise error

    monkeypatch.setattr(retention, "prune_all", prune_all)

    with caplog.at_level(logging.WARNING):
        PeriodicThread("retention", retention.prune_and_log, interval_seconds=3600).run_round()

    assert [record.levelname for record in caplog.records] == [
        "ERROR" if type(error) is KeyError else "WARNING"
    ]


@pytest.mark.django_db
def test_error_in_one_kind_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_: Any) -> int:
        raise KeyError("a surprise")

    def collect(pruned: Iterator[tuple[str, int]]) -> None:
        for kind, _ in pruned:
            kinds.append(kind)

    monkeypatch.setattr(retention, "prune_webhook_events", fails)
    kinds: list[str] = []

    with pytest.raises(KeyError):
        collect(retention.prune_all())

    assert kinds[-3:] == ["webhooks sent", "transcripts", "recordings"]


def test_command_that_takes_longer_than_a_second_prints_dots(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("voiceops.core.terminal.PROGRESS_DOT_SECONDS", 0.05)
    slow, quick = io.StringIO(), io.StringIO()

    with progress_dots(slow, "Deleting"):
        time.sleep(0.3)
    with progress_dots(quick, "Deleting"):
        pass

    assert slow.getvalue().startswith("Deleting.")
    assert slow.getvalue().endswith("\n")
    assert quick.getvalue() == ""
