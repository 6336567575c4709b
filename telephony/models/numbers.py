from django.db import models

from accounts.models import Workspace
from accounts.tenancy import WorkspaceOwned
from agents.models import Agent
from voiceops.core.ids import uuid7

FAILING = "failing"  # a status that the API shows and no row stores


class Provider(models.TextChoices):
    SIP = "sip"
    TWILIO = "twilio"


class Transport(models.TextChoices):
    TCP = "tcp"
    UDP = "udp"
    TLS = "tls"


class DialFormat(models.TextChoices):
    """How a trunk wants numbers dialled."""

    E164 = "e164"
    NO_PLUS = "no_plus"
    NATIONAL = "national"


class Codec(models.TextChoices):
    """Codecs that LiveKit speaks on a trunk by default, with the names that it gives them."""

    PCMU = "PCMU"
    PCMA = "PCMA"
    G722 = "G722"


class PhoneNumber(WorkspaceOwned):
    """A number we may call from and be called at, with the trunk that carries it."""

    keeps_workspace = True  # it exists at LiveKit too

    class Status(models.TextChoices):
        PROVISIONING = "provisioning"
        ACTIVE = "active"
        ERROR = "error"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="phone_numbers")
    phone_number = models.CharField(max_length=16, help_text="E.164")
    label = models.CharField(max_length=200, blank=True, default="")
    provider = models.CharField(max_length=16, choices=Provider.choices, default=Provider.SIP)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PROVISIONING)
    sip_address = models.CharField(max_length=255, blank=True, default="")
    sip_transport = models.CharField(max_length=4, choices=Transport.choices, default=Transport.TCP)
    sip_auth_username = models.CharField(max_length=255, blank=True, default="")
    sip_auth_password = models.TextField(
        blank=True, default="", help_text="encrypted, see voiceops.core.crypto"
    )
    allowed_addresses = models.JSONField(default=list, blank=True)
    headers = models.JSONField(
        default=dict, blank=True, help_text="sent with every INVITE; credentials are sealed"
    )
    sealed_headers = models.TextField(
        blank=True, default="", db_default="", help_text="encrypted: headers that are credentials"
    )
    dial_format = models.CharField(
        max_length=8,
        choices=DialFormat.choices,
        null=True,
        blank=True,
        help_text="how the carrier wants numbers dialled; empty: E.164",
    )
    dial_prefix = models.CharField(
        max_length=16, null=True, blank=True, help_text="dialled before every number"
    )
    codecs = models.JSONField(
        null=True, blank=True, help_text="the only codecs of its trunks; empty: LiveKit's own"
    )
    inbound_agent = models.ForeignKey(
        Agent, models.SET_NULL, null=True, blank=True, related_name="inbound_numbers"
    )
    calls_per_second = models.FloatField(default=1)
    max_concurrent_calls = models.PositiveIntegerField(default=10)
    dispatch_rule_id = models.CharField(
        max_length=64, blank=True, default="", help_text="SDR_… at LiveKit"
    )
    provider_sids = models.JSONField(
        default=dict, blank=True, help_text="what exists at Twilio: {number, trunk, …}"
    )
    drift = models.JSONField(
        default=list, blank=True, help_text="differences found between this row and LiveKit"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(WorkspaceOwned.Meta):
        constraints = [
            # Across all workspaces: LiveKit refuses a second inbound trunk with the same number.
            models.UniqueConstraint(fields=["phone_number"], name="phone_number_registered_once")
        ]
        indexes = [models.Index(fields=["workspace", "-id"], name="phone_number_newest")]

    def __str__(self) -> str:
        return self.phone_number

    @property
    def public_status(self) -> str:
        """The status, or `failing` while the circuit breaker is open.

        Then its batches are paused, and one call at a time probes the number.
        """
        pace = getattr(self, "pace", None)
        return FAILING if pace is not None and pace.trouble is not None else str(self.status)


class NumberPace(WorkspaceOwned):
    """When the next INVITE may leave a number, and the state of its circuit breaker.

    The row's lock keeps calls per second exact across machines; limits are counted and the breaker
    is updated under it.
    """

    number = models.OneToOneField(
        PhoneNumber, models.CASCADE, primary_key=True, related_name="pace"
    )
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="number_paces")
    next_slot_at = models.DateTimeField(null=True, blank=True)
    backoff_until = models.DateTimeField(
        null=True, blank=True, help_text="until then no call leaves: the carrier is out of channels"
    )
    backoff_seconds = models.FloatField(default=0)

    # the circuit breaker
    provider_failures = models.PositiveIntegerField(
        default=0, help_text="consecutive, over all its batches"
    )
    failing_since = models.DateTimeField(
        null=True, blank=True, help_text="when the first of them happened"
    )
    trouble = models.TextField(null=True, blank=True, help_text="why its batches have paused")
    probe_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="in trouble: when one call of one batch may probe the number",
    )
    probe_call_id = models.UUIDField(null=True, blank=True, help_text="the call that probes")

    class Meta(WorkspaceOwned.Meta):
        pass

    def __str__(self) -> str:
        return f"pace of {self.number}"


class SipTrunk(WorkspaceOwned):
    """One trunk at LiveKit. A number has an outbound trunk and, to be called, an inbound one."""

    keeps_workspace = True  # it exists at LiveKit too

    class TrunkDirection(models.TextChoices):
        INBOUND = "inbound"
        OUTBOUND = "outbound"

    class Status(models.TextChoices):
        ACTIVE = "active"
        MISSING = "missing"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="sip_trunks")
    direction = models.CharField(max_length=8, choices=TrunkDirection.choices)
    livekit_trunk_id = models.CharField(max_length=64)
    phone_number = models.ForeignKey(
        PhoneNumber, models.CASCADE, null=True, blank=True, related_name="trunks"
    )
    address = models.CharField(max_length=255, blank=True, default="")
    transport = models.CharField(max_length=4, choices=Transport.choices, default=Transport.TCP)
    auth_username = models.CharField(max_length=255, blank=True, default="")
    auth_password = models.TextField(
        blank=True, default="", help_text="encrypted, see voiceops.core.crypto"
    )
    numbers = models.JSONField(default=list, blank=True)
    allowed_addresses = models.JSONField(default=list, blank=True)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(WorkspaceOwned.Meta):
        verbose_name = "SIP trunk"
        constraints = [
            models.UniqueConstraint(fields=["livekit_trunk_id"], name="sip_trunk_livekit_id")
        ]
        indexes = [models.Index(fields=["workspace", "-id"], name="sip_trunk_newest")]

    def __str__(self) -> str:
        return f"{self.direction} trunk {self.livekit_trunk_id}"
