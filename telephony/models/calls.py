from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q

from accounts.models import Workspace
from accounts.tenancy import WorkspaceOwned
from agents.models import Agent, AgentVersion
from telephony.models.hourly_calls import mark_for_recount
from telephony.models.numbers import PhoneNumber
from voiceops.core.ids import uuid7
from voiceops.core.pii import mask_number


class Direction(models.TextChoices):
    OUTBOUND = "outbound"
    INBOUND = "inbound"


class Stage(models.TextChoices):
    """How far a call has come.

    The API has fewer: reserved is `queued` there; intent and unknown are `dialing`.
    """

    RESERVED = "reserved"  # queued, or claimed by a dispatcher under a lease; nothing was sent
    INTENT = "intent"  # committed just before the dial request is sent
    UNKNOWN = "unknown"  # the request may have been sent, and its answer is lost
    DIALING = "dialing"  # LiveKit has the callee in the room
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    ENDED = "ended"

    @classmethod
    def before_callee(cls) -> tuple["Stage", ...]:
        """Stages in which nobody has seen the callee in the room."""
        return cls.INTENT, cls.UNKNOWN

    @classmethod
    def before_ringing(cls) -> tuple["Stage", ...]:
        """Stages between the intent and the ringing."""
        return *cls.before_callee(), cls.DIALING

    @classmethod
    def before_answer(cls) -> tuple["Stage", ...]:
        """Stages between the intent and the answer."""
        return *cls.before_ringing(), cls.RINGING

    @classmethod
    def unanswered(cls) -> tuple["Stage", ...]:
        """Stages before the answer, with those in which nothing was sent."""
        return cls.RESERVED, *cls.before_answer()


class Outcome(models.TextChoices):
    ANSWERED = "answered"
    VOICEMAIL = "voicemail"
    SCREENED = "screened"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    DECLINED = "declined"
    BLOCKED = "blocked"
    INVALID_NUMBER = "invalid_number"
    CARRIER_ERROR = "carrier_error"
    TRUNK_ERROR = "trunk_error"
    THROTTLED = "throttled"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


PUBLIC_STATUS: dict[str, str] = {
    Stage.RESERVED: "queued",
    Stage.INTENT: "dialing",
    Stage.UNKNOWN: "dialing",
    Stage.DIALING: "dialing",
    Stage.RINGING: "ringing",
    Stage.IN_PROGRESS: "in_progress",
    Stage.ENDED: "ended",
}


# What the API lists: a batch's attempt that was never sent is not a call. The lists' indexes hold
# these rows alone, so that totals are counted in an index.
LISTED = Q(batch_id__isnull=True) | Q(dialed_at__isnull=False)


class CallQuerySet(models.QuerySet["Call"]):
    def open(self) -> Self:
        """Return the calls that have not ended."""
        return self.exclude(stage=Stage.ENDED)

    def listed(self) -> Self:
        """Return the calls that the API lists, without attempts that were never sent."""
        return self.filter(LISTED)

    def update(self, **changes: Any) -> int:
        """Write the changes, and which calls' hours must be counted again for them."""
        return super().update(**changes, **mark_for_recount(changes))


class Call(WorkspaceOwned):
    """One attempt to reach a number, or one inbound call. Written before anything is sent.

    `sequence` numbers the rows of a recipient; `attempt` counts only those that count against the
    retry budget. `batch_id` and `recipient_id` are plain ids, because batches lie above telephony.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Without an index of its own: `call_by_to` begins with this column.
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="calls", db_index=False)
    direction = models.CharField(
        max_length=8, choices=Direction.choices, default=Direction.OUTBOUND
    )
    stage = models.CharField(max_length=12, choices=Stage.choices, default=Stage.RESERVED)
    outcome = models.CharField(max_length=16, choices=Outcome.choices, null=True, blank=True)
    end_reason = models.CharField(max_length=64, null=True, blank=True)
    hung_up_by = models.CharField(max_length=8, null=True, blank=True)
    agent = models.ForeignKey(Agent, models.RESTRICT, null=True, blank=True, related_name="calls")
    agent_version = models.ForeignKey(
        AgentVersion, models.RESTRICT, null=True, blank=True, related_name="calls"
    )
    number = models.ForeignKey(
        PhoneNumber, models.SET_NULL, null=True, blank=True, related_name="calls"
    )
    # Longer than E.164, because an inbound caller's number is whatever the carrier sends.
    from_number = models.CharField(max_length=64, blank=True, default="")
    to_number = models.CharField(max_length=64, blank=True, default="")
    variables = models.JSONField(default=dict, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    batch_id = models.UUIDField(null=True, blank=True, editable=False)
    recipient_id = models.UUIDField(null=True, blank=True, editable=False)
    sequence = models.PositiveSmallIntegerField(default=1)
    attempt = models.PositiveSmallIntegerField(default=1)
    counts = models.BooleanField(
        default=True, help_text="whether it counts against the recipient's attempts"
    )
    settled_at = models.DateTimeField(
        null=True, blank=True, help_text="when the batch processed the end"
    )

    # the dial protocol
    # Never used twice: CreateRoom would return the old room, and its late webhooks would be taken
    # for those of the new call.
    room = models.CharField(max_length=128, unique=True)
    lease_owner = models.UUIDField(
        null=True, blank=True, help_text="the dispatcher that holds the call"
    )
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    intent_at = models.DateTimeField(null=True, blank=True)
    not_after = models.DateTimeField(
        null=True, blank=True, help_text="when the token of the dial request expires"
    )
    room_deleted_at = models.DateTimeField(
        null=True, blank=True, help_text="when reconciliation deleted the room"
    )
    room_delete_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="when the room of the ended call is to be deleted; null once it was",
    )
    room_claimed_at = models.DateTimeField(
        null=True, blank=True, help_text="when a process last claimed the deletion of the room"
    )
    heard_at = models.DateTimeField(
        null=True, blank=True, help_text="when any source last reported on the call"
    )

    # what the agent, our witness in the room, saw
    agent_joined_at = models.DateTimeField(null=True, blank=True)
    agent_seen_at = models.DateTimeField(null=True, blank=True)
    agent_heard_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="when an agent that reports agent_alive was last heard, by our clock",
    )
    agent_left_at = models.DateTimeField(
        null=True, blank=True, help_text="when LiveKit reported that the agent had left"
    )
    callee_joined_at = models.DateTimeField(null=True, blank=True)
    detected = models.CharField(
        max_length=10, null=True, blank=True, help_text="human, machine, uncertain, screened"
    )
    opt_out_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="when the callee asked not to be called again; "
        "null once the number is suppressed",
    )

    # how it went, in the agent's own words
    disposition = models.CharField(max_length=64, null=True, blank=True)
    disposition_by = models.CharField(
        max_length=8, null=True, blank=True, help_text="agent, analysis, operator"
    )
    disposition_at = models.DateTimeField(
        null=True, blank=True, help_text="when it was set; null once its consequence is carried out"
    )

    # what it used and how quick it was, as the agent reports it
    usage = models.JSONField(
        null=True, blank=True, help_text="what each model counted, and its cost"
    )
    cost_micros = models.BigIntegerField(
        null=True, blank=True, help_text="in millionths of the price table's currency"
    )
    latency = models.JSONField(
        null=True, blank=True, help_text="seconds: answer_to_audio, p50, p95"
    )

    # what the carrier answered
    sip_call_id = models.CharField(max_length=64, blank=True, default="")
    sip_status_code = models.PositiveSmallIntegerField(null=True, blank=True)
    sip_status = models.CharField(max_length=255, null=True, blank=True)
    provider_code = models.CharField(
        max_length=64, null=True, blank=True, help_text="for example X-Twilio-Error"
    )
    has_recording = models.BooleanField(default=False)
    recount_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="when it changed after its hour was over; null once that hour is counted again",
    )

    created_at = models.DateTimeField(auto_now_add=True)
    dialed_at = models.DateTimeField(null=True, blank=True)
    ringing_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    unscoped: ClassVar[models.Manager["Call"]] = CallQuerySet.as_manager()

    class Meta(WorkspaceOwned.Meta):
        constraints = [
            # Two dispatchers that plan the same attempt collide here, before either has sent
            # anything.
            models.UniqueConstraint(
                fields=["recipient_id", "sequence"], name="call_recipient_sequence"
            ),
            # The last lock against calling twice: whatever goes wrong above, one attempt is open.
            models.UniqueConstraint(
                fields=["recipient_id"],
                name="call_one_open_per_recipient",
                condition=~Q(stage=Stage.ENDED) & Q(recipient_id__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="call_newest", condition=LISTED),
            models.Index(
                fields=["workspace", "agent", "-id"], name="call_by_agent", condition=LISTED
            ),
            models.Index(
                fields=["workspace", "batch_id", "-id"], name="call_by_batch", condition=LISTED
            ),
            models.Index(
                fields=["workspace", "outcome", "-id"], name="call_by_outcome", condition=LISTED
            ),
            models.Index(
                fields=["workspace", "stage", "-id"], name="call_by_stage", condition=LISTED
            ),
            models.Index(
                fields=["workspace", "direction", "-id"], name="call_by_direction", condition=LISTED
            ),
            models.Index(
                fields=["workspace", "from_number", "-id"], name="call_by_from", condition=LISTED
            ),
            # In the order of the frequency limit's question: how often was this number called
            # lately?
            models.Index(fields=["workspace", "to_number", "dialed_at"], name="call_by_to"),
            # Staff search a number across workspaces.
            models.Index(fields=["to_number", "-id"], name="call_to"),
            models.Index(
                fields=["workspace"], name="call_open_by_workspace", condition=~Q(stage=Stage.ENDED)
            ),
            models.Index(
                fields=["number", "stage"],
                name="call_open_by_number",
                condition=~Q(stage=Stage.ENDED),
            ),
            models.Index(
                fields=["batch_id", "stage"],
                name="call_open_by_batch",
                condition=~Q(stage=Stage.ENDED),
            ),
            models.Index(
                fields=["lease_owner"], name="call_reserved", condition=Q(stage=Stage.RESERVED)
            ),
            models.Index(
                fields=["opt_out_at"], name="call_opting_out", condition=Q(opt_out_at__isnull=False)
            ),
            models.Index(
                fields=["disposition_at"],
                name="call_disposing",
                condition=Q(disposition_at__isnull=False),
            ),
            models.Index(
                fields=["room_delete_at"],
                name="call_room_to_delete",
                condition=Q(room_delete_at__isnull=False),
            ),
            models.Index(
                fields=["created_at"],
                name="call_to_recount",
                condition=Q(recount_at__isnull=False),
            ),
            # What a batch, and a day of a workspace, has cost is summed up in an index alone.
            models.Index(
                fields=["batch_id", "cost_micros"],
                name="call_cost_by_batch",
                condition=Q(batch_id__isnull=False, cost_micros__isnull=False),
            ),
            models.Index(
                fields=["workspace", "ended_at", "cost_micros"],
                name="call_cost_by_end",
                condition=Q(ended_at__isnull=False),
            ),
            # Stays small however many calls there are, because settled rows leave it.
            models.Index(
                fields=["ended_at"],
                name="call_unsettled",
                condition=Q(stage=Stage.ENDED, settled_at__isnull=True, recipient_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        is_inbound = self.direction == Direction.INBOUND
        number = mask_number(self.from_number if is_inbound else self.to_number)
        return f"call {'from' if is_inbound else 'to'} {number}"

    @property
    def status(self) -> str:
        """The stage as the API names it."""
        return PUBLIC_STATUS[self.stage]

    @property
    def is_web(self) -> bool:
        """Whether this is a browser's test call, which joins with a token and is not dialled."""
        return self.direction == Direction.INBOUND and self.room.startswith("vo-")

    @property
    def is_test(self) -> bool:
        """Whether this is a test call of a number, which has no agent and ends when answered."""
        return self.room.startswith("vo-test-")

    @property
    def callee_identity(self) -> str:
        """The callee's participant identity, which is used once and never the phone number."""
        return f"callee-{self.pk}"

    @property
    def duration_seconds(self) -> float | None:
        """Seconds from the answer to the end; None while either is missing."""
        if self.answered_at is None or self.ended_at is None:
            return None
        return round((self.ended_at - self.answered_at).total_seconds(), 3)

    def touch(self, at: datetime, **changes: Any) -> None:
        """Write that the call was heard of, and what else became known, without moving it."""
        Call.unscoped.filter(pk=self.pk).update(heard_at=at, **changes)
