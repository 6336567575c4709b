from typing import Any, ClassVar

from django.db import models

from accounts.calling_profiles import PROFILES
from accounts.tenancy import NoDefaultManagerModel
from voiceops.core.ids import uuid7
from voiceops.core.time_zones import MAX_ZONE_CHARACTERS

# Four hours. Workspaces that are older than this default have none.
DEFAULT_MIN_GAP_MINUTES = 240


class Workspace(NoDefaultManagerModel):
    """A tenant. Every other tenant table belongs to one. Limits are off while they are null."""

    class UnknownZone(models.TextChoices):
        """What happens to numbers whose time zone cannot be known."""

        ALL = "all"
        WORKSPACE = "workspace"
        REVIEW = "review"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=100)
    calling_window = models.JSONField(null=True, blank=True)
    max_concurrent_calls = models.PositiveIntegerField(null=True, blank=True)
    max_calls_per_day = models.PositiveIntegerField(null=True, blank=True)
    min_gap_minutes = models.PositiveIntegerField(
        null=True,
        blank=True,
        default=DEFAULT_MIN_GAP_MINUTES,
        help_text="least time between two calls to a number; 0 for none",
    )
    # A default must not override what a batch says about its retries; a chosen limit may.
    min_gap_is_default = models.BooleanField(
        default=True,
        db_default=False,
        help_text="the gap was never changed, and holds between lists that run at the same time; "
        "one that was chosen also holds for retries and single calls",
    )
    max_attempts_per_day = models.PositiveIntegerField(null=True, blank=True)
    max_attempts_per_week = models.PositiveIntegerField(null=True, blank=True)
    max_attempts_per_30_days = models.PositiveIntegerField(null=True, blank=True)
    rest_days_after_answer = models.PositiveIntegerField(
        null=True, blank=True, help_text="days without a call to a number that has answered"
    )
    rest_days_after_refusal = models.PositiveIntegerField(
        null=True, blank=True, help_text="days without a call to a number that has declined"
    )
    max_cost_per_day = models.JSONField(
        null=True,
        blank=True,
        help_text="what its calls may cost in a day of its time zone: a number in the price "
        "table's currency, or with its currency",
    )
    budget_spent_until = models.DateTimeField(
        null=True, blank=True, help_text="until then the budget of the day is spent"
    )
    recording_retention_days = models.PositiveIntegerField(null=True, blank=True)
    transcript_retention_days = models.PositiveIntegerField(null=True, blank=True)
    holidays_country = models.CharField(max_length=2, null=True, blank=True)
    # With defaults of the database, so that a process that does not know them yet may insert.
    timezone = models.CharField(
        max_length=MAX_ZONE_CHARACTERS,
        default="UTC",
        db_default="UTC",
        help_text="IANA name; what a scheduled time without an offset is in",
    )
    unknown_zone = models.CharField(
        max_length=9,
        choices=UnknownZone.choices,
        default=UnknownZone.ALL,
        db_default=UnknownZone.ALL.value,
        help_text="numbers whose time zone cannot be known: all their zones must be open, the "
        "workspace's clock counts, or an operator reviews them",
    )
    calling_profile = models.CharField(
        max_length=16,
        null=True,
        blank=True,
        choices=[(profile.name, profile.title) for profile in PROFILES.values()],
        help_text="a country's rules, for limits that are empty here; a help, no legal advice",
    )
    members_see_numbers = models.BooleanField(
        default=False,
        db_default=False,
        help_text="the console shows members phone numbers in full, and lets them listen; if not, "
        "numbers are masked for them, and there are no recordings",
    )
    publish_requires = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        blank=True,
        help_text="tags of the scripts that an agent must have passed to be published",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    unscoped: ClassVar[models.Manager["Workspace"]] = models.Manager()

    class Meta(NoDefaultManagerModel.Meta):
        permissions = (
            ("view_every_workspace", "Can see every workspace, not only their own"),
            ("view_personal_data", "Can open pages with numbers and conversations in full"),
        )

    def __str__(self) -> str:
        return self.name

    def limit(self, name: str) -> Any:
        """Return one of `calling_profiles.LIMITS`: the workspace's own, else its profile's."""
        own = getattr(self, name)
        profile = PROFILES.get(self.calling_profile or "")
        return getattr(profile, name) if own is None and profile is not None else own

    def lock(self) -> None:
        """Lock the row until the transaction ends. Limits are counted under this lock."""
        Workspace.unscoped.select_for_update().values_list("pk").get(pk=self.pk)
