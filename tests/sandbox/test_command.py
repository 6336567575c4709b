"""The options of the command, and its one-line errors."""

import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from voiceops import settings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speed": "inf"}, "--speed must be a number greater than 0"),
        ({"speed": "nan"}, "--speed must be a number greater than 0"),
        ({"webhook_url": "voiceops.example.com"}, "--webhook-url must read http://host/path"),
        ({"webhook_url": "http://host:port/"}, "--webhook-url must read http://host/path"),
        ({"data_dir": "/dev/null"}, "[Errno 20] Not a directory: '/dev/null/sandbox'"),
    ],
)
def test_invalid_option_is_reported_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: dict[str, str], message: str
) -> None:
    with pytest.raises(CommandError) as refusal:
        call_command("sandbox", **{"port": 0, "data_dir": str(tmp_path), **options})

    assert str(refusal.value) == f"The sandbox cannot start: {message}"
    assert capsys.readouterr().err == ""


def test_port_in_use_is_reported_in_one_line(tmp_path: Path) -> None:
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as listener,
        pytest.raises(CommandError, match=r"^The sandbox cannot start: .*address already in use$"),
    ):
        call_command("sandbox", port=listener.getsockname()[1], data_dir=str(tmp_path))


def test_invalid_variable_is_reported_without_a_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sandbox"],
        cwd=settings.BASE_DIR,
        env={**os.environ, "SANDBOX_SPEED": "fast"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.endswith("error: argument --speed: invalid float value: 'fast'\n")
