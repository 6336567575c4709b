import copy
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from django.db import models

from accounts.models import Workspace
from accounts.tenancy import WorkspaceOwned
from agents import secrets
from agents.prompts import declared_variables
from voiceops.core.ids import uuid7

# The fields that a version keeps and a call runs with; the others describe the row itself.
CONFIG_FIELDS = (
    "name",
    "system_prompt",
    "first_message",
    "language",
    "llm",
    "stt",
    "tts",
    "tools",
    "variables",
    "voicemail",
    "max_call_duration_seconds",
    "silence_timeout_seconds",
    "ringing_timeout_seconds",
    "recording_enabled",
    "analysis",
    "dispositions",
    "first_message_mode",
    "turn_taking",
    "interruptions",
    "silence",
    "screening",
    "background",
)
# Of columns that were added later: what null stands for. They are nullable, because processes of
# the release before them insert rows without them; versions published before them have none.
LATER_FIELDS: dict[str, Any] = {
    "dispositions": [],
    "first_message_mode": "speak",
    "turn_taking": {},
    "interruptions": {},
    "silence": {},
    "screening": {},
    "background": {},
}


def default_voicemail() -> dict[str, str]:
    return {"action": "hang_up"}


def fill_in_later_fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with the defaults of what it is older than."""
    given = {name: value for name, value in config.items() if value is not None}
    return {**config, **copy.deepcopy(LATER_FIELDS), **given}


def sealed_column() -> "models.TextField[str, str]":
    # The default is in the database too, because processes of the release before this column
    # insert rows without it.
    return models.TextField(
        blank=True, default="", db_default="", help_text="encrypted, see agents.secrets"
    )


class AgentQuerySet(models.QuerySet["Agent"]):
    def live(self) -> Self:
        """Filter to agents that are not deleted."""
        return self.filter(deleted_at=None)


class Agent(WorkspaceOwned):
    """A draft that can be edited, and the number of the version that calls run.

    `version` is the number of the draft. It equals `published_version` while the draft has no
    unpublished change. Deleted agents stay as rows because past calls and batches refer to them.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="agents")
    name = models.CharField(max_length=200)
    system_prompt = models.TextField()
    first_message = models.TextField(blank=True, default="")
    language = models.CharField(max_length=35, default="en-US")
    llm = models.JSONField(default=dict, blank=True)
    stt = models.JSONField(default=dict, blank=True)
    tts = models.JSONField(default=dict, blank=True)
    tools = models.JSONField(default=list, blank=True)
    variables = models.JSONField(default=list, blank=True)
    voicemail = models.JSONField(default=default_voicemail, blank=True)
    max_call_duration_seconds = models.PositiveIntegerField(default=600)
    silence_timeout_seconds = models.PositiveIntegerField(default=30)
    ringing_timeout_seconds = models.PositiveIntegerField(default=30)
    recording_enabled = models.BooleanField(default=True)
    analysis = models.JSONField(default=dict, blank=True)
    dispositions = models.JSONField(default=list, blank=True, null=True)
    first_message_mode = models.CharField(
        max_length=8,
        choices=[(mode, mode) for mode in ("speak", "wait", "generate")],
        default="speak",
        blank=True,
        null=True,
        help_text="who speaks first: the agent, with its first message; the callee; the agent, "
        "in the model's words",
    )
    turn_taking = models.JSONField(
        default=dict, blank=True, null=True, help_text="detection, min_delay, max_delay"
    )
    interruptions = models.JSONField(
        default=dict, blank=True, null=True, help_text="enabled, min_words, min_seconds"
    )
    silence = models.JSONField(
        default=dict, blank=True, null=True, help_text="remind_after_seconds, reminders, text"
    )
    screening = models.JSONField(
        default=dict, blank=True, null=True, help_text="identity, purpose, give_up_after_seconds"
    )
    background = models.JSONField(default=dict, blank=True, null=True, help_text="sound, volume")
    sealed = sealed_column()
    version = models.PositiveIntegerField(default=1)
    published_version = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    unscoped: ClassVar[models.Manager["Agent"]] = AgentQuerySet.as_manager()

    class Meta(WorkspaceOwned.Meta):
        indexes = [models.Index(fields=["workspace", "-id"], name="agent_newest")]

    def __str__(self) -> str:
        return self.name

    def config(self) -> dict[str, Any]:
        """Return the draft with its secrets, which only readers of agents may see.

        Raises crypto.DecryptError when no configured key decrypts them.
        """
        plain = fill_in_later_fields({field: getattr(self, field) for field in CONFIG_FIELDS})
        return secrets.merge_secrets(
            plain, secrets.decrypt(self.sealed, table=self._meta.db_table, pk=self.pk)
        )

    def set_draft(self, config: Mapping[str, Any]) -> None:
        """Make `config` the draft, with its secrets encrypted for this row. Does not save."""
        plain, secret = secrets.split_secrets(config)
        for field, value in plain.items():
            setattr(self, field, value)
        self.sealed = secrets.encrypt(secret, table=self._meta.db_table, pk=self.pk)

    def create_version(self) -> "AgentVersion":
        """Store the draft as the version of its number.

        Raises crypto.DecryptError when no configured key decrypts the draft's secrets.
        """
        # Secrets are encrypted for their row, so the version needs its own ciphertext.
        version = AgentVersion(workspace=self.workspace, agent=self, number=self.version)
        version.config, secret = secrets.split_secrets(self.config())
        version.sealed = secrets.encrypt(secret, table=version._meta.db_table, pk=version.pk)
        version.save(force_insert=True)
        return version


class AgentVersion(WorkspaceOwned):
    """An agent as it was published. It never changes; calls and batches refer to it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="agent_versions")
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    config = models.JSONField()  # without secrets
    sealed = sealed_column()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(WorkspaceOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["agent", "number"], name="agent_version_number")
        ]

    def __str__(self) -> str:
        return f"{self.config.get('name', '')}, version {self.number}"

    @property
    def variables(self) -> list[dict[str, Any]]:
        """The variables this version declares, in its order."""
        return declared_variables(self.config)

    @property
    def variable_names(self) -> list[str]:
        return [variable["name"] for variable in self.variables]

    def config_with_secrets(self) -> dict[str, Any]:
        """Return the configuration with its secrets, for the voice agent and readers of agents.

        Raises crypto.DecryptError when no configured key decrypts them.
        """
        return secrets.merge_secrets(
            fill_in_later_fields(self.config),
            secrets.decrypt(self.sealed, table=self._meta.db_table, pk=self.pk),
        )


class AgentScripts(WorkspaceOwned):
    """The conversations by which an agent is rehearsed, one set for each agent."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="agent_scripts")
    agent = models.OneToOneField(Agent, models.CASCADE, related_name="scripts")
    content = models.JSONField(help_text="variables, model, mode and scripts")
    source = models.TextField(
        blank=True, default="", help_text="the YAML as it was written; empty for JSON"
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta(WorkspaceOwned.Meta):
        verbose_name_plural = "agent scripts"

    def __str__(self) -> str:
        return f"scripts of {self.agent}"


class Rehearsal(WorkspaceOwned):
    """One run of an agent's scripts, or of past callees, against its draft, by a worker."""

    class Status(models.TextChoices):
        """`failed`: a script did; `error`: nothing could be rehearsed."""

        QUEUED = "queued"
        RUNNING = "running"
        PASSED = "passed"
        FAILED = "failed"
        ERROR = "error"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="rehearsals")
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="rehearsals")
    version = models.PositiveIntegerField(help_text="of the draft that was rehearsed")
    mode = models.CharField(max_length=5, help_text="text or audio")
    scripts = models.JSONField(
        null=True, blank=True, help_text="labels and tags of those asked for; null for all"
    )
    replay = models.JSONField(
        null=True, blank=True, help_text="ids of calls that are replayed; null for scripts"
    )
    status = models.CharField(max_length=7, choices=Status.choices, default=Status.QUEUED)
    error = models.TextField(null=True, blank=True, help_text="why nothing could be rehearsed")
    fingerprint = models.CharField(
        max_length=64, help_text="of the draft and its scripts, as they were rehearsed"
    )
    results = models.JSONField(default=list, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta(WorkspaceOwned.Meta):
        indexes = [
            models.Index(fields=["agent", "-id"], name="rehearsal_newest"),
            models.Index(
                fields=["status", "id"],
                name="rehearsal_unfinished",
                condition=models.Q(status__in=["queued", "running"]),
            ),
        ]

    def __str__(self) -> str:
        return f"rehearsal of draft {self.version}"


class RehearsingWorker(models.Model):
    """A worker that was seen to have the program which rehearses. It serves every workspace."""

    name = models.CharField(max_length=200, primary_key=True, help_text="its host")
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class VoiceWorker(models.Model):
    """What a voice worker last reported that it can speak with. It serves every workspace."""

    name = models.CharField(max_length=200, primary_key=True, help_text="its host and port")
    agent_name = models.CharField(max_length=200, help_text="under which it waits for calls")
    version = models.CharField(max_length=50, blank=True, default="")
    max_calls = models.PositiveIntegerField(help_text="at the same time")
    default_provider = models.CharField(max_length=100, help_text="of agents that name none")
    providers = models.JSONField(help_text="which it knows, and what each can do there")
    reported_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
