from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "agents"

    def ready(self) -> None:
        """Register the errors of agents."""
        from agents.openapi.errors import AGENT_ERRORS
        from voiceops.api.error_codes import ERROR_CATALOGS

        ERROR_CATALOGS.register(AGENT_ERRORS)
