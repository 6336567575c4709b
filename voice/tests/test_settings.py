import subprocess
import sys

import pytest

from voice.settings import REPOSITORY, SettingsError, read_settings


def test_a_laptop_needs_no_settings() -> None:
    settings = read_settings({})

    assert settings.livekit_url == "http://127.0.0.1:7880"
    assert settings.spool == REPOSITORY / "var" / "voice"


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({"LIVEKIT_URL": "livekit"}, "LIVEKIT_URL is no address such as wss://livekit.example.com"),
        ({"VOICE_MEDIA": "radio"}, "VOICE_MEDIA is none of auto, room, none"),
        ({"VOICE_MAX_CALLS": "many"}, "VOICE_MAX_CALLS is not a number"),
        ({"VOICE_MAX_CALLS": "0"}, "VOICE_MAX_CALLS is less than 1"),
        ({"VOICE_DRAIN_SECONDS": "nan"}, "VOICE_DRAIN_SECONDS is less than 0"),
    ],
)
def test_each_mistake_is_one_sentence(env: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(env)

    assert str(caught.value) == sentence


def test_one_form_of_the_address_serves_requests_and_the_socket() -> None:
    settings = read_settings({"LIVEKIT_URL": "wss://livekit.example.com/"})

    assert settings.livekit_url == "https://livekit.example.com"
    assert settings.socket_url == "wss://livekit.example.com"


def test_the_supervisor_loads_no_framework() -> None:
    code = "import sys, voice.worker.supervise; print('livekit' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )

    assert done.stdout == "False\n"
