from django.apps import AppConfig
from django.core import checks


class OpsConfig(AppConfig):
    name = "ops"

    def ready(self) -> None:
        from ops.checking.settings_checks import check_settings

        checks.register(check_settings)
