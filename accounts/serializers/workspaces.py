import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

import holidays
from rest_framework import serializers

from accounts.models import Workspace
from accounts.roles import Role
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
    """`HH:MM`, and `24:00` where `may_end` allows the end of the day."""

    def __init__(self, *, may_end: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.may_end = may_end

    def to_internal_value(self, data: Any) -> str:
        """Raises ValidationError (422)."""
        text = super().to_internal_value(data)
        if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text) and not (
            self.may_end and text == "24:00"
        ):
            raise field_error("value_error", "invalid time of day, expected HH:MM")
        return text


class ZoneName(Text):
    """An IANA time zone, or `recipient` for the zone of the number that is called."""

    def to_internal_value(self, data: Any) -> str:
        """Raises ValidationError (422)."""
        text = super().to_internal_value(data)
        if text != "recipient" and text not in available_timezones():
            raise field_error(
                "value_error", "unknown time zone, expected an IANA name or 'recipient'"
            )
        return text


class CallingWindowSerializer(StrictSerializer):
    """When calls may be placed: on days 1 (Monday) to 7, from `start` until before `end`.

    Both are local times of `timezone`.
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
        """Raises ValidationError when `end` is not later than `start`."""
        if {"start", "end"} <= set(attrs) and attrs["start"] >= attrs["end"]:
            raise serializers.ValidationError(
                {"end": field_error("value_error", "end must be later than start").detail}
            )
        return attrs


class CountryField(Text):
    """A country whose public holidays are known, as two letters (ISO 3166)."""

    def to_internal_value(self, data: Any) -> str:
        """Raises ValidationError (422)."""
        text = super().to_internal_value(data).upper()
        if text not in holidays.list_supported_countries():
            raise field_error("value_error", "no public holidays are known for this country")
        return text


class WorkspaceDetailSerializer(StrictModelSerializer):
    """A workspace with its limits and the principal's role in it.

    The role is read from `member_role`, which `with_member_role` or an annotation sets.
    """

    role = RoleField(source="member_role", read_only=True)
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


def serialize_workspace(workspace: Workspace, role: Role | None) -> dict[str, Any]:
    """Return the documented body of a workspace for a member with that role."""
    return dict(WorkspaceDetailSerializer(with_member_role(workspace, role)).data)


def with_member_role(workspace: Workspace, role: Role | None) -> Workspace:
    """Set the role that WorkspaceDetailSerializer shows."""
    workspace.member_role = role  # type: ignore[attr-defined]  # an attribute of this instance only
    return workspace


class DetailSerializer(StrictSerializer):
    detail = Text()
