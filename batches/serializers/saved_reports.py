"""Bodies of saved reports."""

from datetime import date
from typing import Any, ClassVar

from django.conf import settings
from rest_framework import serializers

from accounts.api.related_fields import WorkspaceSerializer
from batches.models import SavedReport
from batches.models.saved_reports import MAX_SAVED_REPORT_NAME
from voiceops.api.errors import field_error
from voiceops.api.fields import Choice, Integer, Text
from voiceops.api.serializers import StrictSerializer

MAX_SAVED_DAYS = 366


class Day(serializers.DateField):
    """A date, such as `2027-03-01`."""

    def to_internal_value(self, value: Any) -> date:
        try:
            return date.fromisoformat(value)
        except (TypeError, ValueError) as error:
            raise field_error("value_error", "a date is expected, such as 2027-03-01") from error


class SubscribeSerializer(StrictSerializer):
    language = Choice(
        choices=[code for code, _name in settings.LANGUAGES],
        default="en",
        help_text="of the e-mail; asking again changes it",
    )


class SavedReportSerializer(WorkspaceSerializer):
    """A range of days under a name: the last `days`, or from `first_day` to `last_day`."""

    needs_instances: ClassVar = True

    name = Text(max_length=MAX_SAVED_REPORT_NAME)
    days = Integer(
        min_value=1,
        max_value=MAX_SAVED_DAYS,
        allow_null=True,
        default=None,
        help_text="today and the days before it; in the weekly e-mail those until Sunday",
    )
    first_day = Day(allow_null=True, default=None, help_text="with `last_day`, instead of `days`")
    last_day = Day(allow_null=True, default=None)
    weekly_mail = serializers.SerializerMethodField(
        help_text="whether who asks gets it by e-mail each Monday; false for an API key"
    )

    class Meta:
        model = SavedReport
        fields = ("id", "name", "days", "first_day", "last_day", "weekly_mail", "created_at")
        read_only_fields = ("created_at",)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        first, last = attrs["first_day"], attrs["last_day"]
        if (attrs["days"] is None) == (first is None) or (first is None) != (last is None):
            text = "give either days, or first_day and last_day"
            raise serializers.ValidationError({"days": field_error("value_error", text).detail})
        if first is not None and first > last:
            text = "the last day must not be before the first one"
            raise serializers.ValidationError({"last_day": field_error("value_error", text).detail})
        return attrs

    def get_weekly_mail(self, report: SavedReport) -> bool:
        return report.pk in self.context["subscribed"]
