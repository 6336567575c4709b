"""Calling profiles in bodies."""

from accounts.serializers.calling_windows import CallingWindowSerializer
from voiceops.api.serializers import (
    Integer,
    ListField,
    StrictListSerializer,
    StrictSerializer,
    Text,
)


class RuleSerializer(StrictSerializer):
    """A rule, where it stands, and the fields of the profile that follow from it."""

    text = Text()
    # REST framework's fields have an attribute of that name, too.
    source = Text()  # type: ignore[assignment]
    url = Text()
    sets = ListField(child=Text(), help_text="empty: a rule that no limit can express")


class CallingProfileSerializer(StrictSerializer):
    """Limits of a country, for a workspace that has none of its own. No legal advice."""

    name = Text(help_text="what `calling_profile` of a workspace is set to")
    title = Text()
    notice = Text()
    calling_window = CallingWindowSerializer()
    max_attempts_per_day = Integer(allow_null=True)
    max_attempts_per_week = Integer(allow_null=True)
    max_attempts_per_30_days = Integer(allow_null=True)
    rest_days_after_answer = Integer(allow_null=True)
    rest_days_after_refusal = Integer(allow_null=True)
    rules = StrictListSerializer(child=RuleSerializer())
