from django.apps import AppConfig

WORKERS = ("RehearsingWorker", "VoiceWorker")


class AgentsConfig(AppConfig):
    name = "agents"

    def ready(self) -> None:
        """Answer what the project asks of agents."""
        from accounts.checks import GLOBAL_MODELS
        from agents.openapi.errors import AGENT_ERRORS
        from agents.openapi.fields import AGENT_FIELD_TEXTS, AGENT_SAME_FIELDS
        from agents.openapi.operations import AGENT_EXAMPLES, AGENT_OPERATIONS, AGENT_TAGS
        from voiceops.api import field_texts, operations
        from voiceops.api.error_codes import ERROR_CATALOGS

        ERROR_CATALOGS.register(AGENT_ERRORS)
        reason = "it serves every workspace"
        GLOBAL_MODELS.register({f"agents.{name}": reason for name in WORKERS})
        operations.OPERATIONS.register(AGENT_OPERATIONS)
        field_texts.FIELD_TEXTS.register(AGENT_FIELD_TEXTS)
        field_texts.SAME_FIELDS.register(AGENT_SAME_FIELDS)
        operations.EXAMPLES.register(AGENT_EXAMPLES)
        operations.TAGS.register(AGENT_TAGS)
