import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

import holidays
from rest_framework import serializers

from accounts.models import Workspace
from accounts.serializers.members import RoleField
from voiceops.api.errors import field_error
from voiceops.api.serializers import (
    Integer,
    ListField,
    StrictModelSerializer,
    StrictSerializer,
    Text,
)


class TimeOfDay(Text):
    """`HH:MM`; `24:00` only where a day may end."""

    def __init__(self, *, may_end: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.may_end = may_end

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text) and not (
            self.may_end and text == "24:00"
        ):
            raise field_error("value_error", "invalid time of day, expected HH:MM")
        return text


class ZoneName(Text):
    """An IANA time zone, or `recipient` for that of the number called."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if text != "recipient" and text not in available_timezones():
            raise field_error(
                "value_error", "unknown time zone, expected an IANA name or 'recipient'"
            )
        return text


class CallingWindowSerializer(StrictSerializer):
    """When calls may be placed: days 1 (Monday) to 7, from `start` until before `end`, local to
    `timezone`.
    """

    days = ListField(
        child=Integer(min_value=1, max_value=7),
        min_length=1,
        max_length=7,
        default=[1, 2, 3, 4, 5, 6, 7],
    )
    start = TimeOfDay()
    end = TimeOfDay(may_end=True)
    timezone = ZoneName(default="recipient")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if {"start", "end"} <= set(attrs) and attrs["start"] >= attrs["end"]:
            raise serializers.ValidationError(
                {"end": field_error("value_error", "end must be later than start").detail}
            )
        return attrs


class CountryField(Text):
    """A country whose public holidays are known (ISO 3166, two letters)."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data).upper()
        if text not in holidays.list_supported_countries():
            raise field_error("value_error", "no public holidays are known for this country")
        return text


class WorkspaceDetailSerializer(StrictModelSerializer):
    """A workspace with its limits and the caller's role in it (`seat_role`, set by whoever loads
    it).
    """

    role = RoleField(source="seat_role", read_only=True)
    calling_window = CallingWindowSerializer(allow_null=True, required=False)
    holidays_country = CountryField(allow_null=True, required=False)

    class Meta:
        model = Workspace
        fields = [
            "id",
            "name",
            "role",
            "calling_window",
            "max_concurrent_calls",
            "max_calls_per_day",
            "min_gap_minutes",
            "max_attempts_per_day",
            "max_attempts_per_week",
            "recording_retention_days",
            "transcript_retention_days",
            "holidays_country",
            "created_at",
        ]
        extra_kwargs: Mapping[str, Mapping[str, Any]] = {
            "max_concurrent_calls": {"min_value": 1},
            "max_calls_per_day": {"min_value": 1},
            "max_attempts_per_day": {"min_value": 1},
            "max_attempts_per_week": {"min_value": 1},
            "recording_retention_days": {"min_value": 1, "max_value": 36500},
            "transcript_retention_days": {"min_value": 1, "max_value": 36500},
        }


class DetailSerializer(StrictSerializer):
    detail = Text()
