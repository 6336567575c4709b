from django.apps import AppConfig
from django.core import checks


class OpsConfig(AppConfig):
    name = "ops"

    def ready(self) -> None:
        from ops.checking.settings_checks import check_settings  # noqa: PLC0415 - settings are whole only now

        checks.register(check_settings)
