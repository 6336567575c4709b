"""The output of an egress: the name of its file, writing it, and the request without secrets."""

import re
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from livekit.protocol import egress

CONTAINER_SUFFIXES = (".ogg", ".mp4", ".mp3", ".m4a", ".webm")


def storage_key(template: str, room_name: str, room_id: str, started_at: float) -> str:
    """Return the path of a recording, by egress's templates.

    The extension is always that of the container, `.ogg`, and the path never leaves its folder.
    """
    moment = datetime.fromtimestamp(started_at, UTC)
    time = moment.strftime("%Y-%m-%dT%H%M%S")
    utc = moment.strftime("%Y%m%d%H%M%S") + f"{moment.microsecond // 1000:03d}"

    generated = f"{room_name}-{time}"
    path = f"{template}{generated}" if template.endswith("/") else template or generated
    values = {"room_name": room_name, "room_id": room_id, "time": time, "utc": utc}
    path = re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], match[0]), path)

    parts = [part for part in PurePosixPath(path).parts if part not in ("/", "..", ".")]
    clean = PurePosixPath(*parts) if parts else PurePosixPath(generated)
    if clean.suffix in CONTAINER_SUFFIXES:
        return str(clean.with_suffix(".ogg"))
    return str(clean.with_name(f"{clean.name}.ogg"))


def write_file(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it, so that readers see all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)  # what a full disk left of it
        raise


def redact_secrets(
    request: egress.RoomCompositeEgressRequest, room_name: str
) -> egress.RoomCompositeEgressRequest:
    """Return the request as events repeat it, without secrets."""
    echo = egress.RoomCompositeEgressRequest()
    echo.CopyFrom(request)
    echo.room_name = room_name
    outputs = [*echo.file_outputs, echo.file] if echo.HasField("file") else list(echo.file_outputs)
    for output in outputs:
        if output.HasField("s3"):
            output.s3.access_key = "{access_key}"
            output.s3.secret = "{secret}"  # noqa: S105  # the placeholder, as egress writes it
            output.s3.session_token = ""
    return echo
