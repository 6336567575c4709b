"""Our own empty report shows whether those of agents arrive, and changes nothing."""

import pytest
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from telephony.clients import own_reports
from telephony.models import Call, Stage
from tests import make
from voiceops.core.ids import uuid7


@pytest.mark.django_db(transaction=True)
def test_empty_report_arrives_and_changes_nothing(
    settings: Settings, live_server: LiveServer, transactional_db: None
) -> None:
    settings.PUBLIC_URL = live_server.url
    call = make.call(make.workspace(), stage=Stage.IN_PROGRESS, answered_at=timezone.now())
    before = Call.unscoped.filter(pk=call.pk).values().get()

    assert own_reports.do_reports_arrive(call.pk)
    assert Call.unscoped.filter(pk=call.pk).values().get() == before
    assert call.events.count() == 0


def test_nothing_arrives_while_the_web_server_is_away(settings: Settings) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:9"

    assert not own_reports.do_reports_arrive(uuid7())
