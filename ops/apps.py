from django.apps import AppConfig, apps
from django.core import checks
from django.db.models.signals import post_migrate


class OpsConfig(AppConfig):
    name = "ops"

    def ready(self) -> None:
        from accounts.staff.login import POLLED_PAGES
        from ops.checking.settings_checks import check_settings
        from ops.control.groups import create_groups

        checks.register(check_settings)
        POLLED_PAGES.register("overview_part")
        POLLED_PAGES.register("readiness")
        POLLED_PAGES.register("telephony_call_live")
        # Sent once for each app with tables; those of webhooks are the last, and have the last of
        # the permissions that the groups need.
        post_migrate.connect(create_groups, sender=apps.get_app_config("webhooks"))
