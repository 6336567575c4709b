import io
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import requests
from celery import Celery
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from moto.server import ThreadedMotoServer
from pytest_django import Settings

from accounts.models import Workspace
from ops.checking import dependencies, installation_checks
from ops.checking.findings import Finding, Verdict
from ops.checking.installation_checks import (
    check_alarms,
    check_disk,
    check_drift,
    check_secrets,
    check_settings,
)
from ops.checking.service_checks import (
    check_broker,
    check_database,
    check_egress,
    check_livekit,
    check_storage,
    check_twilio,
    check_webhook,
)
from telephony.clients.livekit import trunks as livekit_trunks
from telephony.clients.livekit.trunks import Outbound, TrunkConfig
from telephony.clients.twilio.client import Twilio
from telephony.domain import timeline
from telephony.models import PhoneNumber
from telephony.services.trunk_config import encrypt_password
from tests import make
from tests.ops.test_key_rotation import new_key
from tests.sandbox_server import RunningSandbox
from tests.telephony.numbers.livekit import everything
from voiceops.core.disk_space import Fullness

BODY = {
    "phone_number": "+12025550100",
    "provider": "sip",
    "sip": {"address": "sip.carrier.example"},
}
GONE = "http://127.0.0.1:9"


def parts_of(finding: Finding) -> tuple[str, str, str]:
    return finding.verdict.value, finding.description, finding.fix


@pytest.mark.django_db(transaction=True)
def test_a_healthy_installation_has_one_line_for_each_check(
    box: RunningSandbox, settings: Settings, live_server: Any
) -> None:
    settings.PUBLIC_URL = live_server.url
    settings.USES_SANDBOX = True
    out = io.StringIO()

    call_command("doctor", stdout=out)

    lines = {line.split()[1]: line.split()[0] for line in out.getvalue().splitlines()}
    assert lines == {
        "database": "ok",
        "broker": "ok",
        "livekit": "ok",
        "twilio": "ok",
        "recordings": "ok",
        "egress": "ok",
        "webhook": "ok",
        "secrets": "warning",
        "drift": "ok",
    }
    assert "still the example: " in out.getvalue()


def test_problems_are_counted_and_the_command_fails(db: None, settings: Settings) -> None:
    settings.LIVEKIT_URL = settings.TWILIO_BASE_URL = settings.PUBLIC_URL = GONE
    out = io.StringIO()

    with pytest.raises(CommandError) as refusal:
        call_command("doctor", stdout=out)

    assert str(refusal.value) == "3 problems found"
    bad = [line for line in out.getvalue().splitlines() if line.startswith("bad")]
    assert [line.split()[1] for line in bad] == ["livekit", "twilio", "webhook"]
    assert all("Fix: " in line for line in bad)


def test_the_database_is_named_by_its_vendor(db: None) -> None:
    assert parts_of(check_database()) == ("ok", f"{connection.vendor}, migrated", "")


def test_a_refused_livekit_key_is_reported(box: RunningSandbox, settings: Settings) -> None:
    settings.LIVEKIT_API_SECRET = "another secret, long enough for the algorithm"

    verdict, description, _ = parts_of(check_livekit())

    assert (verdict, description) == ("bad", "LiveKit SIP error: the API key or secret was refused")


def test_a_recording_is_started_and_stopped_for_real(db: None, box: RunningSandbox) -> None:
    assert parts_of(check_egress()) == ("ok", "a recording was started and stopped", "")
    assert box.rooms() == []


def test_a_missing_egress_service_is_reported(db: None, box: RunningSandbox) -> None:
    box.set_faults(egress_missing_rate=1)

    assert parts_of(check_egress()) == (
        "bad",
        "no egress service answers, so no call is recorded",
        "run livekit-egress with LiveKit's Redis, or set recording_enabled to false",
    )
    assert box.rooms() == []


def test_egress_is_not_tried_while_livekit_is_away(settings: Settings) -> None:
    settings.LIVEKIT_URL = GONE

    assert parts_of(check_egress()) == ("warning", "not checked", "LiveKit must respond first")


def test_an_unconfigured_twilio_is_fine(settings: Settings) -> None:
    settings.TWILIO_ACCOUNT_SID = ""

    assert parts_of(check_twilio()) == ("ok", "not configured, numbers cannot be bought", "")


def test_resources_at_twilio_without_a_row_are_reported(db: None, box: RunningSandbox) -> None:
    tag = "voiceops-01a20000-0000-7000-8000-000000000000"
    Twilio().create_trunk(tag, "lost.pstn.twilio.com")

    finding = check_twilio()

    assert finding.verdict is Verdict.WARNING
    assert finding.description == f"resources without a number here: {tag}"


def test_a_bucket_is_written_and_read_through_a_link(settings: Settings) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        bucket = f"doctor-{uuid4()}"  # the program keeps its buckets from one server to the next
        settings.RECORDINGS_STORAGE, settings.S3_BUCKET = "s3", bucket
        settings.S3_ENDPOINT_URL = f"http://{host}:{port}"
        settings.S3_ACCESS_KEY_ID = settings.S3_SECRET_ACCESS_KEY = "testing"

        missing = check_storage()
        requests.put(
            f"{settings.S3_ENDPOINT_URL}/{bucket}", timeout=5
        ).raise_for_status()  # as an operator would
        there = check_storage()
    finally:
        server.stop()

    assert missing.verdict is Verdict.BAD
    assert missing.description.startswith("the bucket cannot be written and read: S3 error: ")
    assert parts_of(there) == ("ok", "the bucket can be written and read", "")


def test_a_webhook_that_is_not_ours_is_reported(box: RunningSandbox, settings: Settings) -> None:
    settings.PUBLIC_URL = box.url

    finding = check_webhook()

    assert finding.verdict is Verdict.BAD
    assert (
        finding.description
        == f"{box.url}/livekit/webhook answers 404, not 401, to an unsigned event"
    )


def test_secrets_encrypted_with_an_old_key_are_reported(
    ours: Workspace, settings: Settings
) -> None:
    number = make.phone_number(ours)
    PhoneNumber.unscoped.update(sip_auth_password=encrypt_password(number, "s3cret"))
    settings.SECRETS = dict.fromkeys(settings.SECRETS, "of our own")
    settings.FIELD_ENCRYPTION_KEYS = [new_key(), *settings.FIELD_ENCRYPTION_KEYS]

    assert parts_of(check_secrets()) == (
        "warning",
        "1 are encrypted with an old key",
        "python manage.py rotate_keys",
    )


def test_equal_secrets_are_reported(db: None, settings: Settings) -> None:
    settings.SECRETS = dict.fromkeys(settings.SECRETS, "of our own")
    settings.JWT_API_SECRET = settings.SECRET_KEY

    assert parts_of(check_secrets())[:2] == ("bad", "the same: SECRET_KEY and JWT_API_SECRET")


def test_short_secrets_are_reported(db: None, settings: Settings) -> None:
    settings.SECRETS = dict.fromkeys(settings.SECRETS, "of our own")
    settings.LIVEKIT_API_SECRET = "devsecret"

    assert parts_of(check_secrets())[:2] == ("bad", "fewer than 32 characters: LIVEKIT_API_SECRET")


def test_settings_that_other_commands_refuse_are_reported(settings: Settings) -> None:
    settings.RECORDINGS_STORAGE = "ftp"

    assert [parts_of(finding) for finding in check_settings()] == [
        ("bad", "RECORDINGS_STORAGE is 'ftp'", "local or s3.")
    ]


def test_an_endpoint_that_is_not_a_url_is_reported(settings: Settings) -> None:
    settings.RECORDINGS_STORAGE, settings.S3_BUCKET, settings.S3_ENDPOINT_URL = (
        "s3",
        "recordings",
        "nonsense",
    )

    assert parts_of(check_storage())[:2] == (
        "bad",
        "the bucket cannot be written and read: ValueError",
    )


@pytest.mark.parametrize("scheme", ["kafka", "carrier-pigeon"])
def test_an_unsupported_broker_is_reported(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    settings.CELERY_BROKER_URL = f"{scheme}://host"
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)  # Celery would prefer it
    monkeypatch.setattr(
        dependencies, "current_app", Celery(broker=f"{scheme}://host", set_as_current=False)
    )

    assert parts_of(check_broker())[:2] == ("bad", f"{scheme} is not a supported broker")


def test_drift_is_reported_and_repaired(ours: Workspace, box: RunningSandbox) -> None:
    make.client(ours).post("/phone-numbers", BODY)
    number = PhoneNumber.unscoped.get()
    elsewhere = Outbound(
        address="elsewhere.example", transport="tcp", numbers=(number.phone_number,)
    )
    livekit_trunks.apply_trunks(
        TrunkConfig(f"voiceops:{number.pk}", f"VoiceOps {number.phone_number}", outbound=elsewhere)
    )

    drift = check_drift()
    with pytest.raises(CommandError):  # nothing serves the webhook here
        call_command("doctor", "--repair", stdout=io.StringIO())

    differences = "The outbound trunk differs in address; The inbound trunk is missing at LiveKit"
    assert parts_of(drift) == (
        "bad",
        f"{number}: {differences}",
        "python manage.py doctor --repair",
    )
    assert check_drift().verdict is Verdict.OK
    assert everything()["outbound"][0].address == "sip.carrier.example"


def test_unfinished_removals_are_reported_and_finished(
    ours: Workspace, box: RunningSandbox
) -> None:
    make.client(ours).post("/phone-numbers", BODY)
    PhoneNumber.unscoped.update(status=PhoneNumber.Status.ERROR)

    drift = check_drift()
    with pytest.raises(CommandError):
        call_command("doctor", "--repair", stdout=io.StringIO())

    assert (drift.verdict, drift.description) == (Verdict.BAD, "not removed yet: +12025550100")
    assert not PhoneNumber.unscoped.exists()


def test_alarms_of_calls_are_reported(ours: Workspace) -> None:
    before = list(check_alarms())
    call = make.call(ours)
    timeline.raise_alarm(
        call, at=timezone.now() - timedelta(days=2), text="An old one", source="test"
    )
    timeline.raise_alarm(
        call, at=timezone.now(), text="The callee was called after all", source="test"
    )

    (found,) = check_alarms()

    assert before == []
    assert parts_of(found)[:2] == (
        "warning",
        f"1 alarm within a day, the newest of call {call.pk}: The callee was called after all",
    )


FIX_OF_DISK = "delete old recordings, raise MAX_DATA_DIR_BYTES, or give DATA_DIR a larger disk"


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        (79.0, []),
        (
            80.0,
            [
                (
                    "warning",
                    "80 % of MAX_DATA_DIR_BYTES and 5 % of the disk of DATA_DIR are used",
                    FIX_OF_DISK,
                )
            ],
        ),
        (
            104.0,
            [
                (
                    "bad",
                    "uploads are refused: 104 % of MAX_DATA_DIR_BYTES and 5 % of the disk of "
                    "DATA_DIR are used",
                    FIX_OF_DISK,
                )
            ],
        ),
    ],
)
def test_a_disk_that_fills_up_is_reported_from_four_fifths(
    percent: float, expected: list[tuple[str, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        installation_checks, "measure_fullness", lambda: Fullness(percent, disk_percent=5.0)
    )

    assert [parts_of(finding) for finding in check_disk()] == expected
