from collections.abc import Mapping
from typing import Any, ClassVar, Self

from django.db import models

from accounts.models import Workspace
from accounts.tenancy import WorkspaceOwned
from agents import secrets
from voiceops.core.ids import uuid7

# What a publish freezes and a call runs with; everything else on an agent is bookkeeping.
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
)


def default_voicemail() -> dict[str, str]:
    return {"action": "hang_up"}


def sealed_column() -> "models.TextField[str, str]":
    # The database has the default as well: processes of the release before this column insert rows
    # without it.
    return models.TextField(
        blank=True, default="", db_default="", help_text="encrypted, see agents.sealing"
    )


class AgentQuerySet(models.QuerySet["Agent"]):
    def live(self) -> Self:
        return self.filter(deleted_at=None)


class Agent(WorkspaceOwned):
    """A draft that can be edited, and a pointer to the version that calls run.

    `version` is the number the draft has or will have once published: equal to `published_version`
    while the draft has no unpublished change. Deleted agents stay as rows, because calls and
    batches of the past name them.
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
        return f"{self.name} ({self.pk})"

    def config(self) -> dict[str, Any]:
        """The draft with its secrets, for whoever may read agents. Raises crypto.DecryptError."""
        plain = {field: getattr(self, field) for field in CONFIG_FIELDS}
        return secrets.merge_secrets(
            plain, secrets.decrypt(self.sealed, table=self._meta.db_table, pk=self.pk)
        )

    def set_draft(self, config: Mapping[str, Any]) -> None:
        """Make `config` the draft, its secrets sealed for this row. Does not save."""
        plain, secret = secrets.split_secrets(config)
        for field, value in plain.items():
            setattr(self, field, value)
        self.sealed = secrets.encrypt(secret, table=self._meta.db_table, pk=self.pk)

    def create_version(self) -> "AgentVersion":
        """The draft as a version of its number, stored."""
        version = AgentVersion(workspace=self.workspace, agent=self, number=self.version)
        version.config, secret = secrets.split_secrets(self.config())
        version.sealed = secrets.encrypt(secret, table=version._meta.db_table, pk=version.pk)
        version.save(force_insert=True)
        return version


class AgentVersion(WorkspaceOwned):
    """What an agent was when it was published. Never changed afterwards; calls and batches point
    here.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="agent_versions")
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    config = models.JSONField()  # without its secrets
    sealed = sealed_column()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(WorkspaceOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["agent", "number"], name="agent_version_number")
        ]

    def __str__(self) -> str:
        return f"{self.config.get('name', '')} v{self.number} ({self.pk})"

    def config_with_secrets(self) -> dict[str, Any]:
        """With its secrets: for the voice agent, and whoever may read agents. Raises
        crypto.DecryptError.
        """
        return secrets.merge_secrets(
            self.config, secrets.decrypt(self.sealed, table=self._meta.db_table, pk=self.pk)
        )
