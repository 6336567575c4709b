"""Batches: lists of recipients, and the calls to them."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate

GLOBAL_TABLES = {"batches.RecipientCount": "belongs to a batch, whose deletion it must not delay"}


class BatchesConfig(AppConfig):
    name = "batches"

    def ready(self) -> None:
        """Answer what the apps below ask of batches."""
        from accounts.services.workspaces import SCHEDULING_HOOKS
        from accounts.staff.login import POLLED_PAGES
        from agents.admin.orders import AGENT_USES
        from agents.services import AGENT_USE_CHECKS
        from batches.admin.agent_use import newest_batches
        from batches.models import Batch
        from batches.openapi.errors import BATCH_ERRORS
        from batches.openapi.examples import BATCH_EXAMPLES
        from batches.openapi.fields import BATCH_FIELD_TEXTS, BATCH_SAME_FIELDS
        from batches.openapi.operations import BATCH_OPERATIONS, BATCH_TAGS
        from batches.services.callbacks import schedule_reported
        from batches.services.suppressions import is_suppressed
        from batches.services.update import requeue_workspace
        from batches.services.usage import agent_is_in_use, number_is_in_use
        from telephony.admin.call_filters import ORIGIN_PAGES, OriginPages
        from telephony.services.callback_requests import CALLBACK_PLANNERS
        from telephony.services.calls import SUPPRESSION_CHECKS
        from telephony.services.numbers import NUMBER_USE_CHECKS
        from voiceops.api import field_texts, operations
        from voiceops.api.error_codes import ERROR_CATALOGS

        self._keep_counts()
        ERROR_CATALOGS.register(BATCH_ERRORS)
        operations.OPERATIONS.register(BATCH_OPERATIONS)
        field_texts.FIELD_TEXTS.register(BATCH_FIELD_TEXTS)
        field_texts.SAME_FIELDS.register(BATCH_SAME_FIELDS)
        operations.EXAMPLES.register(BATCH_EXAMPLES)
        operations.TAGS.register(BATCH_TAGS)
        CALLBACK_PLANNERS.register(schedule_reported)
        SCHEDULING_HOOKS.register(requeue_workspace)
        SUPPRESSION_CHECKS.register(is_suppressed)
        AGENT_USES.register(newest_batches)
        AGENT_USE_CHECKS.register(agent_is_in_use)
        NUMBER_USE_CHECKS.register(number_is_in_use)
        POLLED_PAGES.register("batches_batch_live")
        pages = ("batches_batch_change", "batches_recipient_change")
        ORIGIN_PAGES.register(OriginPages(*pages, batch_rows=Batch.unscoped.all))

    def _keep_counts(self) -> None:
        """Look for the triggers that count recipients after every `migrate`."""
        from accounts.checks import GLOBAL_MODELS
        from batches.services.recipient_counts import restore_counts

        GLOBAL_MODELS.register(GLOBAL_TABLES)
        post_migrate.connect(restore_counts, sender=self)
