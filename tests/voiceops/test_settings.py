"""In processes of their own, because settings are read once, when they are imported."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ops.new_secrets import new_secrets
from voiceops import settings

EXAMPLE = settings.BASE_DIR / ".env.example"
SETTINGS = Path(settings.__file__)
REFUSAL = (
    "With DEBUG=0 these must be set to secrets of your own (unset or still the example): {}. "
    "See .env.example."
)
VARIABLE = re.compile(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", re.MULTILINE)


def variables_read() -> set[str]:
    """Return the name in every `env.…("NAME")` of settings.py, and the secrets, read in a loop."""
    calls = [
        node for node in ast.walk(ast.parse(SETTINGS.read_text())) if isinstance(node, ast.Call)
    ]
    of_env = [
        call
        for call in calls
        if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "env"
    ]
    names = {call.args[0].value for call in of_env if isinstance(call.args[0], ast.Constant)}
    return {str(name) for name in names} | set(settings.EXAMPLE_SECRETS)


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these variables and no others of ours. Only manage.py reads `.env`."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=settings.BASE_DIR,
        env={**inherited, "DJANGO_SETTINGS_MODULE": "voiceops.settings", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refusal(**environment: str) -> str:
    done = python("-c", "import voiceops.settings", **environment)

    assert done.returncode == 1
    return done.stderr.strip().splitlines()[-1].partition(": ")[2]


def evaluate(expression: str, **environment: str) -> str:
    """Return the repr of an expression of settings in that environment."""
    done = python("-c", f"from voiceops import settings; print(repr({expression}))", **environment)

    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_the_example_lists_exactly_the_variables_that_are_read() -> None:
    documented = [name for name, _ in VARIABLE.findall(EXAMPLE.read_text())]

    assert sorted(documented) == sorted(variables_read())


def test_the_secrets_of_the_example_are_refused() -> None:
    values = dict(VARIABLE.findall(EXAMPLE.read_text()))

    assert {name: values[name] for name in settings.EXAMPLE_SECRETS} == settings.EXAMPLE_SECRETS


def test_missing_secrets_are_named_without_debug() -> None:
    assert refusal(DEBUG="0") == REFUSAL.format(
        "SECRET_KEY, JWT_API_SECRET, FIELD_ENCRYPTION_KEYS, LIVEKIT_API_KEY, LIVEKIT_API_SECRET"
    )


@pytest.mark.parametrize("name", sorted(settings.EXAMPLE_SECRETS))
def test_an_example_secret_is_named_without_debug(name: str) -> None:
    environment = {**new_secrets(), "DEBUG": "0", name: settings.EXAMPLE_SECRETS[name]}

    assert refusal(**environment) == REFUSAL.format(name)


def test_an_example_key_is_refused_as_the_newest_without_debug() -> None:
    strong, example = new_secrets(), settings.EXAMPLE_SECRETS["FIELD_ENCRYPTION_KEYS"]
    keys = f" {example},{strong['FIELD_ENCRYPTION_KEYS']}"

    assert refusal(**{**strong, "DEBUG": "0", "FIELD_ENCRYPTION_KEYS": keys}) == REFUSAL.format(
        "FIELD_ENCRYPTION_KEYS"
    )


def test_a_short_secret_is_named_without_debug() -> None:
    message = refusal(**{**new_secrets(), "DEBUG": "0", "JWT_API_SECRET": "short"})

    assert message.startswith(
        "With DEBUG=0 secrets must have at least 32 characters: JWT_API_SECRET."
    )


@pytest.mark.parametrize("old", ["short", settings.EXAMPLE_SECRETS["JWT_API_SECRET"]])
def test_a_fallback_secret_must_be_strong_without_debug(old: str) -> None:
    fallbacks = f"{new_secrets()['SECRET_KEY']},{old}"

    message = refusal(**{**new_secrets(), "DEBUG": "0", "JWT_API_SECRET_FALLBACKS": fallbacks})

    assert message.startswith(
        "With DEBUG=0 JWT_API_SECRET_FALLBACKS must hold secrets of at least 32 characters"
    )


def test_equal_secrets_are_named_without_debug() -> None:
    strong = new_secrets()

    message = refusal(**{**strong, "DEBUG": "0", "LIVEKIT_API_SECRET": strong["SECRET_KEY"]})

    assert message == (
        "With DEBUG=0 all secrets must differ, but SECRET_KEY and LIVEKIT_API_SECRET are the same."
    )


@pytest.mark.parametrize(
    ("environment", "sender"),
    [
        ({}, "VoiceOps <voiceops@calls.example.com>"),
        ({"EMAIL_FROM": "Calls <no-reply@example.com>"}, "Calls <no-reply@example.com>"),
    ],
)
def test_emails_have_a_sender_that_mail_servers_accept(
    environment: dict[str, str], sender: str
) -> None:
    url = "https://calls.example.com:8443"

    assert evaluate(
        "settings.DEFAULT_FROM_EMAIL", DEBUG="1", PUBLIC_URL=url, **environment
    ) == repr(sender)


def test_debug_is_off_unless_it_is_set() -> None:
    assert refusal() == refusal(DEBUG="0")


def test_new_secrets_are_strong_enough_for_a_server(tmp_path: Path) -> None:
    host = {"ALLOWED_HOSTS": "voiceops.example.com", "PUBLIC_URL": "https://voiceops.example.com"}
    command = ("-m", "django", "check", "--deploy", "--fail-level", "WARNING")

    done = python(*command, **new_secrets(), **host, DEBUG="0", DATA_DIR=str(tmp_path))

    assert (done.returncode, done.stderr) == (0, "")


def test_an_empty_variable_counts_as_unset() -> None:
    database = evaluate(
        "(settings.DATABASES['default']['ENGINE'], settings.PORT)",
        DEBUG="1",
        DATABASE_URL="",
        PORT="",
    )

    assert database == "('voiceops.db.sqlite', 8000)"


def test_the_public_url_follows_the_port() -> None:
    assert evaluate("settings.PUBLIC_URL", DEBUG="1", PORT="9123") == "'http://127.0.0.1:9123'"


def test_another_livekit_url_is_not_the_sandbox_and_has_a_longer_fence() -> None:
    expression = "(settings.USES_SANDBOX, settings.DIAL_FENCE_SECONDS, settings.TWILIO_BASE_URL)"

    assert evaluate(expression, DEBUG="1") == "(True, 22.0, 'http://127.0.0.1:7880')"
    assert (
        evaluate(expression, DEBUG="1", LIVEKIT_URL="https://livekit.example.com")
        == "(False, 180.0, '')"
    )


@pytest.mark.parametrize(
    "rates", ["user=many", "caller=5/fortnight", "everybody=5/min", "login=0/s"]
)
def test_an_invalid_rate_is_named(rates: str) -> None:
    name = rates.partition("=")[0]

    assert refusal(DEBUG="1", THROTTLE_RATES=rates).startswith(
        f"THROTTLE_RATES: {name} cannot be used."
    )
