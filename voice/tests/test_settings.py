import socket
import subprocess
import sys
from pathlib import Path

import pytest

from voice.command_line import main
from voice.doctor import provider_lines
from voice.settings import REPOSITORY, SettingsError, check_spool, read_settings


def test_a_laptop_needs_no_settings() -> None:
    settings = read_settings({})

    assert settings.livekit_url == "http://127.0.0.1:7880"
    assert settings.spool == REPOSITORY / "var" / "voice"


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({"LIVEKIT_URL": "livekit"}, "LIVEKIT_URL is no address such as wss://livekit.example.com"),
        (
            {"VOICE_OPENAI_BASE_URL": "/v1"},
            "VOICE_OPENAI_BASE_URL is no address such as wss://livekit.example.com",
        ),
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


def test_a_spool_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    spool = tmp_path / "file" / "voice"

    with pytest.raises(SettingsError) as caught:
        check_spool(read_settings({"VOICE_SPOOL": str(spool)}))

    assert str(caught.value) == f"VOICE_SPOOL: {spool} cannot be written: Not a directory"


def test_a_default_provider_that_is_not_ready_has_a_line_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not any(line.startswith("✗") for line in provider_lines())

    monkeypatch.setenv("VOICE_DEFAULT_PROVIDER", "elevenlbs")

    assert provider_lines()[-1].startswith("✗ VOICE_DEFAULT_PROVIDER: No worker here knows the ")


def test_a_port_that_is_in_use_or_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        assert main(["talk", "--no-browser", "--port", port]) == 2
    assert main(["talk", "--no-browser", "--port", "70000"]) == 2

    assert capsys.readouterr().err.splitlines() == [
        f"The port {port} is in use here: choose another one with --port (PORT=)",
        "70000 is no port",
    ]


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
