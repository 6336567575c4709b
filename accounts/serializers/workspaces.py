from collections.abc import Mapping
from typing import Any

from accounts.calling_profiles import PROFILES
from accounts.models import Workspace
from accounts.roles import Role
from accounts.serializers.calling_windows import CallingWindowSerializer, CountryField, ZoneName
from accounts.serializers.members import RoleField
from voiceops.api.money import BudgetAmount
from voiceops.api.serializers import (
    Choice,
    ListField,
    StrictModelSerializer,
    StrictSerializer,
    Text,
)

MAX_REST_DAYS = 3_650


class WorkspaceDetailSerializer(StrictModelSerializer):
    """A workspace with its limits and the principal's role in it."""

    # Set by `with_member_role`, or by an annotation.
    role = RoleField(source="member_role", read_only=True)
    calling_window = CallingWindowSerializer(allow_null=True, required=False)
    holidays_country = CountryField(allow_null=True, required=False)
    timezone = ZoneName(
        allow_recipient=False,
        required=False,
        help_text="what a `scheduled_at` without an offset is in; answers are in UTC",
    )
    unknown_zone = Choice(
        choices=Workspace.UnknownZone.values,
        required=False,
        help_text="when to call a number whose time zone cannot be known: while the window is "
        "open in `all` zones it may lie in, by the clock of the `workspace`, or after `review`",
    )

    max_cost_per_day = BudgetAmount(
        allow_null=True,
        required=False,
        help_text="what the calls of a day, in the workspace's time zone, may cost: a number in "
        "the price table's currency, or `{amount, currency}`; batches wait for the next day",
    )
    calling_profile = Choice(
        choices=list(PROFILES),
        allow_null=True,
        required=False,
        help_text="rules of a country for limits that are null here (GET /calling-profiles); a "
        "help, no legal advice",
    )

    publish_requires = ListField(
        child=Text(max_length=64),
        max_length=20,
        required=False,
        help_text="tags of rehearsal scripts: an agent is published only when its draft has passed "
        "every script with one of them",
    )

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
            "max_cost_per_day",
            "max_attempts_per_day",
            "max_attempts_per_week",
            "max_attempts_per_30_days",
            "rest_days_after_answer",
            "rest_days_after_refusal",
            "recording_retention_days",
            "transcript_retention_days",
            "holidays_country",
            "timezone",
            "unknown_zone",
            "calling_profile",
            "publish_requires",
            "created_at",
        ]
        extra_kwargs: Mapping[str, Mapping[str, Any]] = {
            "max_concurrent_calls": {"min_value": 1},
            "max_calls_per_day": {"min_value": 1},
            "max_attempts_per_day": {"min_value": 1},
            "max_attempts_per_week": {"min_value": 1},
            "max_attempts_per_30_days": {"min_value": 1},
            "rest_days_after_answer": {"min_value": 1, "max_value": MAX_REST_DAYS},
            "rest_days_after_refusal": {"min_value": 1, "max_value": MAX_REST_DAYS},
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
