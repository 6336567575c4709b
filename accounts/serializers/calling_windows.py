"""Calling windows in bodies: days with one span each, or spans; answered as they were written."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from rest_framework import serializers

from voiceops.api.errors import field_error
from voiceops.api.serializers import (
    Integer,
    ListField,
    StrictListSerializer,
    StrictSerializer,
    Text,
)
from voiceops.core.holiday_library import holidays
from voiceops.core.time_zones import zone_names

RECIPIENT = "recipient"
MAX_SPANS = 50
MAX_CLOSED_DATES = 1_000
OVER_MIDNIGHT = (
    "end must be later than start; hours over midnight are written as spans, for example "
    '{"spans": [{"days": [5, 6], "start": "20:00", "end": "02:00"}]}'
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
    """An IANA time zone, or `recipient` (unless refused) for the zone of the number called."""

    def __init__(self, *, allow_recipient: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.allow_recipient = allow_recipient

    def to_internal_value(self, data: Any) -> str:
        """Raises ValidationError (422)."""
        text = super().to_internal_value(data)
        if text in zone_names() or (self.allow_recipient and text == RECIPIENT):
            return text
        expected = "an IANA name or 'recipient'" if self.allow_recipient else "an IANA name"
        raise field_error("value_error", f"unknown time zone, expected {expected}")


class CountryField(Text):
    """A country whose public holidays are known, as two letters (ISO 3166)."""

    def to_internal_value(self, data: Any) -> str:
        """Raises ValidationError (422)."""
        text = super().to_internal_value(data).upper()
        if text not in holidays.list_supported_countries():
            raise field_error("value_error", "no public holidays are known for this country")
        return text


class HolidaysField(CountryField):
    """Whose public holidays close: a country's, or those of the `recipient`'s country."""

    def to_internal_value(self, data: Any) -> str:
        """Raises ValidationError (422)."""
        return RECIPIENT if data == RECIPIENT else super().to_internal_value(data)


class ClosedDate(Text):
    """A date as YYYY-MM-DD."""

    def to_internal_value(self, data: Any) -> str:
        """Raises ValidationError (422)."""
        text = super().to_internal_value(data)
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError as error:
            raise field_error("value_error", "invalid date, expected YYYY-MM-DD") from error


class Weekdays(ListField):
    """ISO weekdays: 1 is Monday."""

    def __init__(self, **kwargs: Any) -> None:
        limits = {"min_length": 1, "max_length": 7}
        super().__init__(child=Integer(min_value=1, max_value=7), **limits, **kwargs)


class SpanSerializer(StrictSerializer):
    """From `start` until before `end`, which is on the next day if it is not later."""

    days = Weekdays(default=[1, 2, 3, 4, 5, 6, 7], help_text="ISO weekdays on which it starts")
    start = TimeOfDay()
    end = TimeOfDay(may_end=True)


class CallingWindowSerializer(StrictSerializer):
    """When calls may be placed, by the wall clock of `timezone`.

    Either one span for all `days` (1 is Monday), from `start` until before `end`, or `spans`, as in
    `{"spans": [{"days": [5, 6], "start": "20:00", "end": "02:00"}], "holidays": "recipient"}`.
    """

    days = Weekdays(required=False)
    start = TimeOfDay(required=False)
    end = TimeOfDay(may_end=True, required=False)
    spans = StrictListSerializer(
        child=SpanSerializer(),
        required=False,
        min_length=1,
        max_length=MAX_SPANS,
        help_text="several spans, also over midnight; instead of days, start and end",
    )
    timezone = ZoneName(default=RECIPIENT)
    closed_dates = ListField(
        child=ClosedDate(),
        required=False,
        max_length=MAX_CLOSED_DATES,
        help_text="dates on which nothing is open, as YYYY-MM-DD",
    )
    holidays = HolidaysField(
        required=False,
        allow_null=True,
        help_text="`recipient` closes the public holidays of the number's country, a country code "
        "those of that country; null leaves it to the workspace's holidays_country",
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Raises ValidationError with all field errors of the form that was written."""
        for name in ("start", "end"):
            self.fields[name].required = not (isinstance(data, Mapping) and "spans" in data)
        return super().to_internal_value(data)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the window in the form it was written.

        Raises ValidationError for a mixture of both forms, and for an `end` before its `start`.
        """
        one_span = {"days", "start", "end"} & set(attrs)
        if "spans" in attrs:
            if one_span:
                mistake = field_error("value_error", "give either spans or days, start and end")
                raise serializers.ValidationError({"spans": mistake.detail})
            return attrs
        if attrs["start"] >= attrs["end"]:
            raise serializers.ValidationError(
                {"end": field_error("value_error", OVER_MIDNIGHT).detail}
            )
        return {"days": [1, 2, 3, 4, 5, 6, 7], **attrs}

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the window as it was written."""
        return dict(instance)
