"""The worker's settings, from the environment; every mistake is one sentence."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

REPOSITORY = Path(__file__).resolve().parents[1]
# The documented examples of the sandbox, as in .env.example.
EXAMPLE_URL = "http://127.0.0.1:7880"
EXAMPLE_KEY = "sandbox"
EXAMPLE_SECRET = "example-livekit-secret-of-the-sandbox-0123456789"  # noqa: S105
MEDIA = ("auto", "room", "none")


class SettingsError(ValueError):
    """A variable that cannot be used, in one sentence."""


@dataclass(frozen=True)
class Settings:
    """`media` is `room` for LiveKit, `none` for the sandbox, which carries no sound; `max_load` the
    load average of a core above which no call is accepted, 0 for none; `callees` a file of scripts
    by which the callees of calls without sound are played.
    """

    livekit_url: str
    api_key: str
    api_secret: str
    agent_name: str
    spool: Path
    media: str
    max_calls: int
    drain_seconds: float
    idle_processes: int
    health_port: int
    max_load: float
    permits_private_tools: bool
    callees: Path | None
    log_level: str
    # Of the control plane.
    public_url: str

    @property
    def socket_url(self) -> str:
        """The address as workers use it."""
        return self.livekit_url.replace("http", "ws", 1)


def read_settings(env: Mapping[str, str] | None = None) -> Settings:
    """Return the settings. Raises SettingsError."""
    given = _Reader(os.environ if env is None else env)
    # Where it is used, a mistake would show on the first call.
    given.url("VOICE_OPENAI_BASE_URL", EXAMPLE_URL)
    data_dir = Path(given.text("DATA_DIR", str(REPOSITORY / "var")))
    return Settings(
        livekit_url=given.url("LIVEKIT_URL", EXAMPLE_URL),
        api_key=given.text("LIVEKIT_API_KEY", EXAMPLE_KEY),
        api_secret=given.text("LIVEKIT_API_SECRET", EXAMPLE_SECRET),
        agent_name=given.text("LIVEKIT_AGENT_NAME", "voiceops"),
        spool=Path(given.text("VOICE_SPOOL", str(data_dir / "voice"))),
        media=given.choice("VOICE_MEDIA", MEDIA),
        max_calls=int(given.number("VOICE_MAX_CALLS", 10, minimum=1)),
        drain_seconds=given.number("VOICE_DRAIN_SECONDS", 3600, minimum=0),
        idle_processes=int(given.number("VOICE_IDLE_PROCESSES", 2, minimum=0)),
        health_port=int(given.number("VOICE_HEALTH_PORT", 8081, minimum=0)),
        max_load=given.number("VOICE_MAX_LOAD", 3, minimum=0),
        permits_private_tools=given.flag("VOICE_PRIVATE_TOOLS"),
        callees=Path(given.text("VOICE_CALLEES", "")) if given.text("VOICE_CALLEES", "") else None,
        log_level=given.choice("LOG_LEVEL", ("INFO", "DEBUG", "WARNING", "ERROR", "CRITICAL")),
        public_url=given.url("PUBLIC_URL", f"http://127.0.0.1:{given.text('PORT', '8000')}"),
    )


def check_spool(settings: Settings) -> None:
    """Make the folder of the spool. Raises SettingsError when nothing can be written there."""
    try:
        settings.spool.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.spool):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(f"VOICE_SPOOL: {settings.spool} cannot be written: {reason}") from error


def read_env_file(path: Path) -> dict[str, str]:
    """Return the variables of a file of NAME=VALUE lines; none when there is no file."""
    if not path.exists():
        return {}
    pairs = (line.strip().partition("=") for line in path.read_text().splitlines())
    return {
        name.strip(): value.strip().strip("\"'")
        for name, _, value in pairs
        if name and not name.startswith("#")
    }


@dataclass(frozen=True)
class _Reader:
    env: Mapping[str, str]

    def text(self, name: str, default: str) -> str:
        # Empty values count as unset, as in `NAME=` in `.env`.
        return self.env.get(name) or default

    def url(self, name: str, default: str) -> str:
        """Raises SettingsError for what is no http(s) or ws(s) address."""
        text = self.text(name, default).rstrip("/")
        if urlsplit(text).scheme not in ("http", "https", "ws", "wss"):
            raise SettingsError(f"{name} is no address such as wss://livekit.example.com")
        # One form for requests; the socket's is made of it.
        return text.replace("ws", "http", 1) if text.startswith("ws") else text

    def number(self, name: str, default: float, *, minimum: float) -> float:
        """Raises SettingsError for what is no number, or too small a one."""
        text = self.text(name, str(default))
        try:
            value = float(text)
        except ValueError as error:
            raise SettingsError(f"{name} is not a number") from error
        if not value >= minimum:
            raise SettingsError(f"{name} is less than {minimum:g}")
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Raises SettingsError for another word. The first choice is the default."""
        text = self.text(name, choices[0])
        found = next((choice for choice in choices if choice.lower() == text.lower()), None)
        if found is None:
            raise SettingsError(f"{name} is none of {', '.join(choices)}")
        return found

    def flag(self, name: str) -> bool:
        """Raises SettingsError for what is neither 1 nor 0."""
        return self.choice(name, ("0", "1")) == "1"
