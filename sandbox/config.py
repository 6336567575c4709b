"""The configuration of a sandbox, from the command line and the environment."""

import argparse
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from livekit.protocol.egress import S3Upload

EXAMPLE_KEY = "sandbox"
# The documented example, refused by DEBUG=0.
EXAMPLE_SECRET = "example-livekit-secret-of-the-sandbox-0123456789"  # noqa: S105
EXAMPLE_S3_SECRET = "sandbox"  # noqa: S105  # the documented example
EXAMPLE_TWILIO_SID = "AC00000000000000000000000000000000"
EXAMPLE_TWILIO_TOKEN = "sandbox"  # noqa: S105  # the documented example


@dataclass(frozen=True)
class Config:
    """The settings of one sandbox.

    `speed` is the number of simulated seconds that pass in one second. Without `webhook_url` no
    events are sent. `s3` is where recordings started by the agent are uploaded; without it they
    are written to `data_dir`. `control_port` answers what is under /_sandbox, too.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 7880
    control_port: int = 0
    speed: float = 20.0
    api_key: str = EXAMPLE_KEY
    api_secret: str = EXAMPLE_SECRET
    agent_name: str = "voiceops"
    agent_online: bool = True
    webhook_url: str | None = None
    webhook_exclude: frozenset[str] = frozenset()
    s3: S3Upload | None = None
    s3_key: str = EXAMPLE_KEY
    s3_secret: str = EXAMPLE_S3_SECRET
    twilio_sid: str = EXAMPLE_TWILIO_SID
    twilio_token: str = EXAMPLE_TWILIO_TOKEN

    @property
    def s3_secrets(self) -> dict[str, str]:
        return {self.s3_key: self.s3_secret}


def add_arguments(parser: argparse.ArgumentParser, env: Mapping[str, str] = os.environ) -> None:
    """Add the options that `manage.py sandbox` and `python -m sandbox` share."""
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (127.0.0.1 can be reached from this machine only)",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=env.get("SANDBOX_PORT") or "7880",
        help="port to listen on; 0 chooses a free one",
    )
    parser.add_argument(
        "--control-port",
        type=int,
        default="0",
        help="another port for /_sandbox, which stays open when LiveKit's is closed; "
        "0 chooses a free one, which GET /_sandbox names",
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=env.get("SANDBOX_SPEED") or "20",
        help="simulated seconds that pass in one second",
    )
    parser.add_argument(
        "--data-dir",
        default=env.get("DATA_DIR") or "var",
        help="directory of its state and recordings",
    )
    _add_livekit_arguments(parser, env)


def _add_livekit_arguments(parser: argparse.ArgumentParser, env: Mapping[str, str]) -> None:
    public_url = env.get("PUBLIC_URL") or f"http://127.0.0.1:{env.get('PORT') or 8000}"
    parser.add_argument(
        "--webhook-url",
        default=f"{public_url.rstrip('/')}/livekit/webhook",
        help="where LiveKit's events are sent; empty sends none",
    )
    parser.add_argument(
        "--webhook-exclude",
        default="",
        metavar="EVENTS",
        help="comma-separated events that are not sent",
    )
    parser.add_argument(
        "--agent-name",
        default=env.get("LIVEKIT_AGENT_NAME") or "voiceops",
        help="the name of its voice agent",
    )
    parser.add_argument(
        "--no-agent",
        action="store_true",
        help="play no voice agent; real workers can register at /agent",
    )


def read_config(options: Mapping[str, object], env: Mapping[str, str] = os.environ) -> Config:
    """Build the configuration from parsed options and the environment.

    Raises ValueError, with a sentence, when an option is invalid.
    """
    speed = float(str(options["speed"]))
    if not 0 < speed < math.inf:
        raise ValueError("--speed must be a number greater than 0")
    webhook_url = str(options["webhook_url"] or "")
    if webhook_url and not _is_http_url(webhook_url):
        raise ValueError("--webhook-url must read http://host/path")
    exclude = str(options["webhook_exclude"] or "")
    return Config(
        data_dir=Path(str(options["data_dir"])).resolve(),
        host=str(options["host"]),
        port=int(str(options["port"])),
        control_port=int(str(options["control_port"])),
        speed=speed,
        api_key=env.get("LIVEKIT_API_KEY") or EXAMPLE_KEY,
        api_secret=env.get("LIVEKIT_API_SECRET") or EXAMPLE_SECRET,
        agent_name=str(options["agent_name"]),
        agent_online=not options["no_agent"],
        webhook_url=webhook_url or None,
        webhook_exclude=frozenset(name.strip() for name in exclude.split(",") if name.strip()),
        s3=_recordings_upload(env),
        s3_key=env.get("S3_ACCESS_KEY_ID") or EXAMPLE_KEY,
        s3_secret=env.get("S3_SECRET_ACCESS_KEY") or EXAMPLE_S3_SECRET,
        twilio_sid=env.get("TWILIO_ACCOUNT_SID") or EXAMPLE_TWILIO_SID,
        twilio_token=env.get("TWILIO_AUTH_TOKEN") or EXAMPLE_TWILIO_TOKEN,
    )


def _is_http_url(url: str) -> bool:
    # `port` is parsed on access, which raises ValueError when it is not a number.
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _recordings_upload(env: Mapping[str, str]) -> S3Upload | None:
    """Return where the agent's own recordings go: to the bucket of all others, if there is one."""
    if env.get("RECORDINGS_STORAGE") != "s3":
        return None
    return S3Upload(
        bucket=env.get("S3_BUCKET", ""),
        region=env.get("S3_REGION", ""),
        endpoint=env.get("S3_ENDPOINT_URL", ""),
        access_key=env.get("S3_ACCESS_KEY_ID", ""),
        secret=env.get("S3_SECRET_ACCESS_KEY", ""),
        force_path_style=bool(env.get("S3_ENDPOINT_URL")),
    )
