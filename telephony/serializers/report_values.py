"""Values in a voice agent's reports."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import PlainValidator, StringConstraints
from pydantic_core import PydanticCustomError

MAX_COUNT = 10**12


def parse_timestamp(value: Any) -> datetime:
    """Return an ISO 8601 time in UTC, which is assumed where the offset is missing.

    Raises PydanticCustomError.
    """
    try:
        parsed = datetime.fromisoformat(value)
        aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        return aware.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise PydanticCustomError("timestamp", "invalid datetime format") from error


def parse_count(value: Any) -> float:
    """Return a number from 0 to MAX_COUNT, whole numbers as they are. Raises PydanticCustomError.

    Pydantic would make 5 into 5.0, and of a union of both types two errors.
    """
    if type(value) not in (int, float):
        raise PydanticCustomError("float_type", "not a number")
    if value < 0:
        raise PydanticCustomError("greater_than_equal", "too small", {"ge": 0})
    if value > MAX_COUNT:
        raise PydanticCustomError("less_than_equal", "too large", {"le": MAX_COUNT})
    number: float = value
    return number


Timestamp = Annotated[datetime, PlainValidator(parse_timestamp)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=128)]
ShortText = Annotated[str, StringConstraints(max_length=16)]
ShortNumber = Annotated[str, StringConstraints(max_length=64)]
Name = Annotated[str, StringConstraints(max_length=128)]
LanguageTag = Annotated[str, StringConstraints(max_length=35)]
Count = Annotated[float, PlainValidator(parse_count)]
LongText = Annotated[str, StringConstraints(max_length=20_000)]
