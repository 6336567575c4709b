import pytest
from pytest_django import Settings

from ops.checking.settings_checks import check_settings


def test_the_default_settings_pass() -> None:
    assert check_settings(None) == []


@pytest.mark.parametrize(
    ("changes", "message_id"),
    [
        ({"PUBLIC_URL": "voiceops.example.com"}, "ops.E001"),
        ({"LIVEKIT_URL": ""}, "ops.E001"),
        ({"PUBLIC_URL": "http://127.0.0.1:port"}, "ops.E001"),
        ({"S3_ENDPOINT_URL": "s3.example.com"}, "ops.E001"),
        ({"TWILIO_BASE_URL": "http://[::1"}, "ops.E001"),
        ({"CELERY_BROKER_URL": "kafka://host"}, "ops.E002"),
        ({"CELERY_BROKER_URL": "redis://host:port/0"}, "ops.E002"),
        ({"RECORDINGS_STORAGE": "ftp"}, "ops.E003"),
        ({"RECORDINGS_STORAGE": "s3", "S3_BUCKET": ""}, "ops.E004"),
        ({"S3_ACCESS_KEY_ID": "id", "S3_SECRET_ACCESS_KEY": ""}, "ops.E005"),
        ({"TWILIO_ACCOUNT_SID": ""}, "ops.W006"),
        ({"PORT": 65_536}, "ops.E007"),
        ({"SWEEP_SECONDS": 0}, "ops.E008"),
        ({"FIELD_ENCRYPTION_KEYS": ["short"]}, "ops.E009"),
        ({"TRUSTED_PROXIES": ["proxy.example.com"]}, "ops.E010"),
        ({"CLOSED_PAGES": ["admin", "doc"]}, "ops.E011"),
        ({"PUBLIC_URL": "https://voiceops.example.com"}, "ops.W013"),
        ({"ALLOWED_HOSTS": []}, "ops.W013"),
        ({"ALLOWED_HOSTS": ["https://voiceops.example.com"]}, "ops.E012"),
    ],
)
def test_a_setting_that_cannot_work_is_reported(
    settings: Settings, changes: dict[str, object], message_id: str
) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)

    assert [message.id for message in check_settings(None)] == [message_id]
