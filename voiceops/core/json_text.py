"""JSON of whatever a database holds, also of what the fast writer refuses."""

import json
from datetime import UTC, datetime
from typing import Any

import orjson


def dump_json(value: Any) -> str:
    """Return a value as JSON, with times in UTC.

    orjson writes no integer of more than 64 bits, and PostgreSQL returns 1e25 as one. A number that
    somebody's variables hold must not stop anybody's webhooks, prompts or tables.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC).decode()
    except TypeError:  # orjson.JSONEncodeError
        return json.dumps(value, default=_write_other, separators=(",", ":"))


def _write_other(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
