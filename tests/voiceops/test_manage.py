"""Problems an operator can fix are reported in one line that names what is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import environ
import pytest
from django.db import OperationalError

import manage as command_line
from ops.serving.ports import free_ports
from voiceops import settings

NO_DATABASE = (
    "DATABASE_URL is not the address of a PostgreSQL or SQLite database. See .env.example.\n"
)


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env={**inherited, "DEBUG": "1", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("PORT", "abc", "PORT is not a whole number. See .env.example.\n"),
        ("SWEEP_SECONDS", "often", "SWEEP_SECONDS is not a number. See .env.example.\n"),
        ("THROTTLE_RATES", "often", "THROTTLE_RATES is not readable. See .env.example.\n"),
        ("SANDBOX_SPEED", "0", "SANDBOX_SPEED must be more than 0.\n"),
        ("DEBUG", "maybe", "DEBUG is neither 1 nor 0. See .env.example.\n"),
        (
            "STAFF_SECOND_FACTOR",
            "yeah",
            "STAFF_SECOND_FACTOR is neither 1 nor 0. See .env.example.\n",
        ),
        ("LOG_LEVEL", "loud", "LOG_LEVEL is none of CRITICAL, ERROR, WARNING, INFO, DEBUG.\n"),
        (
            "SENTRY_DSN",
            "https://host",
            "SENTRY_DSN cannot be used: it must read https://key@host/project.\n",
        ),
        ("EMAIL_URL", "mail.example.com", "EMAIL_URL is not readable. See .env.example.\n"),
        ("DATABASE_URL", "nonsense", NO_DATABASE),
        ("DATABASE_URL", "mysql://host/name", NO_DATABASE),
        ("DATABASE_URL", "postgres://host:5432", NO_DATABASE),
        (
            "DATABASE_URL",
            "postgres://host:port/name",
            "DATABASE_URL is not readable. See .env.example.\n",
        ),
        (
            "DATA_DIR",
            "/dev/null/var",
            "/dev/null/var cannot be created (Not a directory). Set DATA_DIR.\n",
        ),
    ],
)
def test_an_invalid_setting_is_named(
    tmp_path: Path, variable: str, value: str, message: str
) -> None:
    done = manage("check", **{"DATA_DIR": str(tmp_path), variable: value})

    assert (done.returncode, done.stdout, done.stderr) == (1, "", message)


@pytest.mark.parametrize(
    "command",
    [("create_workspace", "Ours", "--admin", "ours@example.com"), ("reconcile_calls",), ("prune",)],
)
def test_an_unmigrated_database_is_reported_in_one_line(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    done = manage(*command, DATA_DIR=str(tmp_path))

    message = (
        "The database has not been set up, or not for this version. Run: python manage.py migrate\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", message)


@pytest.mark.parametrize("command", ["prune", "reconcile_calls", "serve"])
def test_an_unreachable_database_is_reported_in_one_line(tmp_path: Path, command: str) -> None:
    done = manage(
        command,
        PORT=str(free_ports(1)[0]),
        DATA_DIR=str(tmp_path),
        DATABASE_URL="postgres://nobody:secret@127.0.0.1:9/nothing",
    )

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("The database cannot be used: connection failed")
    assert done.stderr.endswith("Start it, and check DATABASE_URL.\n")
    assert "secret" not in done.stderr


def output_of(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> object:
    def fail(argv: list[str]) -> None:
        raise error

    monkeypatch.setattr(
        environ.Env, "read_env", lambda path: None
    )  # a developer's settings stay out of it
    monkeypatch.setattr(command_line, "execute_from_command_line", fail)
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    return ended.value.code


def test_a_missing_database_is_not_reported_as_a_missing_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away = OperationalError('connection failed: FATAL:  database "voiceops" does not exist')

    message = f"The database cannot be used: {away}. Start it, and check DATABASE_URL."
    assert output_of(away, monkeypatch) == message


def test_ctrl_c_ends_a_command_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert output_of(KeyboardInterrupt(), monkeypatch) == 130
    assert capsys.readouterr().err == "Stopped\n"
