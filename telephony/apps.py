from django.apps import AppConfig


class TelephonyConfig(AppConfig):
    name = "telephony"

    def ready(self) -> None:
        """Answer what the apps below ask of telephony."""
        from accounts.checks import GLOBAL_MODELS
        from agents.admin.orders import AGENT_USES
        from agents.rehearsing.replays import CALL_READERS
        from agents.services import AGENT_DELETION_HOOKS, PUBLISH_CHECKS
        from telephony.admin.agent_use import answered_numbers
        from telephony.openapi.errors import TELEPHONY_ERRORS
        from telephony.openapi.examples import TELEPHONY_EXAMPLES
        from telephony.openapi.fields import TELEPHONY_FIELD_TEXTS, TELEPHONY_SAME_FIELDS
        from telephony.openapi.operations import TELEPHONY_OPERATIONS, TELEPHONY_TAGS
        from telephony.services.metadata_checks import require_version_fits
        from telephony.services.numbers import detach_agent
        from telephony.services.recorded_calls import read_recorded_calls
        from voiceops.api import field_texts, operations
        from voiceops.api.error_codes import ERROR_CATALOGS

        ERROR_CATALOGS.register(TELEPHONY_ERRORS)
        operations.OPERATIONS.register(TELEPHONY_OPERATIONS)
        field_texts.FIELD_TEXTS.register(TELEPHONY_FIELD_TEXTS)
        field_texts.SAME_FIELDS.register(TELEPHONY_SAME_FIELDS)
        operations.EXAMPLES.register(TELEPHONY_EXAMPLES)
        operations.TAGS.register(TELEPHONY_TAGS)
        GLOBAL_MODELS.register(
            {
                "telephony.InboxEvent": "LiveKit sends it before its call and workspace are known",
                "telephony.HourlyCursor": "how far the calls of all workspaces are counted",
            }
        )
        AGENT_USES.register(answered_numbers)
        AGENT_DELETION_HOOKS.register(detach_agent)
        PUBLISH_CHECKS.register(require_version_fits)
        CALL_READERS.register(read_recorded_calls)
