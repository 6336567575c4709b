"""What is past its time goes, in every worker and by hand."""

import io
import logging
import subprocess
import sys
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
from tests.faults.test_drill import ROOT
from voiceops.core.errors import ProviderError
from voiceops.core.terminal import progress_dots
from webhooks.models import WebhookEvent
from worker.periodic.retention import RetentionThread, clean_up

THREADS = """
import django; django.setup()
from celery.signals import worker_init
from voiceops.celery import app
app.loader.import_default_modules()
worker_init.send(sender=None)
import threading
print(sorted(thread.name for thread in threading.enumerate()))
"""


def test_prune_forgets_of_every_kind_and_says_how_many(ours: Workspace) -> None:
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
        "Deleted 0 sessions, 0 password resets, 1 invitations, 1 idempotency keys, 0 tries to log in, "
        "0 webhooks received, 1 webhooks sent, 0 transcripts, 0 recordings\n"
    )
    assert not BrowserSession.objects.exists()


def test_every_worker_keeps_house() -> None:
    environment = {"DJANGO_SETTINGS_MODULE": "tests.settings"}

    done = subprocess.run(
        [sys.executable, "-c", THREADS],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "'housekeeper'" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    "trouble", [ProviderError("S3 error: gone"), OperationalError("gone"), KeyError("bug")]
)
@pytest.mark.django_db
def test_trouble_is_told_and_the_next_hour_comes(
    trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def clean() -> Iterator[tuple[str, int]]:
        yield "sessions", 1
        raise trouble

    with caplog.at_level(logging.WARNING):
        RetentionThread(clean).run_once()

    assert [record.levelname for record in caplog.records] == [
        "ERROR" if type(trouble) is KeyError else "WARNING"
    ]


@pytest.mark.django_db
def test_trouble_with_one_kind_keeps_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_: Any) -> int:
        raise KeyError("a surprise")

    def to_its_end(cleaning: Iterator[tuple[str, int]]) -> None:
        for kind, _ in cleaning:
            kinds.append(kind)

    monkeypatch.setattr("worker.periodic.retention.prune_webhook_events", fails)
    kinds: list[str] = []

    with pytest.raises(KeyError):
        to_its_end(clean_up())

    assert kinds[-3:] == ["webhooks sent", "transcripts", "recordings"]


def test_what_takes_longer_than_a_second_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voiceops.core.terminal.PROGRESS_DOT_SECONDS", 0.05)
    slow, quick = io.StringIO(), io.StringIO()

    with progress_dots(slow, "Deleting"):
        time.sleep(0.3)
    with progress_dots(quick, "Deleting"):
        pass

    assert slow.getvalue().startswith("Deleting.")
    assert slow.getvalue().endswith("\n")
    assert quick.getvalue() == ""
