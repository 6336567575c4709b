"""The recipients of batches and the rejected rows, for staff."""

import json
from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from accounts.staff.base import ReadOnlyAdmin, badge_column
from accounts.staff.filters import BY_WORKSPACE, choices_filter, row_filter
from accounts.staff.number_search import last_digits, possible_numbers
from batches.admin import batch_panel
from batches.models import Batch, Recipient, RejectedRow
from batches.reporting.reasons import EXPLANATIONS, explain
from batches.services.review import close_recipient, release_recipient
from telephony.models import Outcome
from voiceops.api.fields import UUID_PATTERN
from voiceops.core.pii import mask_number

BY_STAFF = "decided by staff"
NEEDS_BATCH = "Choose a batch first: names and last digits are searched in one batch at a time."
LINK = "text-primary-600 dark:text-primary-500"
REASONS = [(code, explanation.text) for code, explanation in EXPLANATIONS.items()]
BY_BATCH = row_filter(
    batch_panel.BATCH_FILTER,
    "batch",
    lambda: Batch.unscoped.select_related("workspace").order_by("-pk"),
    label=lambda batch: f"{batch.workspace.name}: {batch.name}",
)


class BatchRowsAdmin(ReadOnlyAdmin):
    """Rows of batches. Filtered to one batch, they are in the order of its list."""

    audit_views = True

    def get_ordering(self, request: HttpRequest) -> Sequence[str]:
        return ("row_number",) if batch_panel.BATCH_FILTER in request.GET else self.ordering

    @admin.display(description="Batch")
    def batch_name(self, row: Recipient | RejectedRow) -> str:
        return row.batch.name


@admin.register(Recipient)
class RecipientAdmin(BatchRowsAdmin):
    change_form_outer_before_template = "admin/control/contact_link.html"
    list_display = (
        "row",
        "number",
        "batch_name",
        "status_badge",
        "why",
        "attempts",
        "outcome_badge",
        "due_at",
        "workspace_name",
    )
    list_filter = (
        BY_BATCH,
        BY_WORKSPACE,
        "status",
        choices_filter("outcome", Outcome.choices),
        choices_filter("reason", REASONS),
        "is_duplicate",
    )
    search_fields = ("phone_number__exact",)
    search_help_text = "Number in any spelling or an id; in a batch also last digits and names"
    number_columns = ("phone_number",)
    search_ids = ("pk",)
    list_select_related = ("batch", "workspace")
    actions = ("release", "close")
    # `values` has no names of columns; `variables` shows the same, named.
    exclude = ("values", "sends", "last_call_id", "other_numbers", "number_position")
    readonly_fields = ("reason_in_words", "alternative_numbers", "variables", "calls")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search last digits and names too, but in one batch: they have no index."""
        term = search_term.strip()
        is_whole = not term or UUID_PATTERN.fullmatch(term) or possible_numbers(term)
        if is_whole:
            return super().get_search_results(request, queryset, search_term)
        if not request.GET.get(batch_panel.BATCH_FILTER):
            self.message_user(request, NEEDS_BATCH, messages.WARNING)
            return queryset.none(), False
        if digits := last_digits(term):
            condition = Q(phone_number__endswith=digits) | Q(external_id=term)
            return queryset.filter(condition), False
        # SQLite keeps JSON with escapes for all but ASCII, PostgreSQL without.
        escaped = json.dumps(term)[1:-1]
        condition = Q(values__icontains=term) | Q(values__icontains=escaped) | Q(external_id=term)
        return queryset.filter(condition), False

    @admin.display(description="Reason in words")
    def reason_in_words(self, recipient: Recipient) -> str:
        if recipient.reason is None:
            return ""
        text, next_step = explain(recipient.reason)
        return f"{text} {next_step}".strip()

    @admin.display(description="Row")
    def row(self, recipient: Recipient) -> str:
        return f"{recipient.row_number:,}"

    @admin.display(description="Reason", empty_value="-")
    def why(self, recipient: Recipient) -> str | None:
        return recipient.reason.replace("_", " ") if recipient.reason else None

    @badge_column("Outcome", {"answered": "success"})
    def outcome_badge(self, recipient: Recipient) -> str | None:
        return recipient.outcome

    @admin.display(description="Variables")
    def variables(self, recipient: Recipient) -> SafeString:
        variables = recipient.variables_in(recipient.batch)
        return format_html_join(mark_safe("<br>"), "{}: {}", variables.items())

    @admin.display(description="Calls")
    def calls(self, recipient: Recipient) -> SafeString:
        url = reverse("admin:telephony_call_changelist")
        return format_html(
            '<a href="{}?q={}" class="{}">calls to this recipient</a>', url, recipient.pk, LINK
        )

    @admin.display(description="Alternative numbers")
    def alternative_numbers(self, recipient: Recipient) -> str:
        return ", ".join(recipient.alternative_numbers) or "-"

    @admin.display(description="Number")
    def number(self, recipient: Recipient) -> str:
        return mask_number(recipient.phone_number)

    @badge_column("Status", {"completed": "success", "review": "danger", "failed": "warning"})
    def status_badge(self, recipient: Recipient) -> str:
        return recipient.status

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("batches.change_recipient"))

    @admin.action(description="In review: release to be called again", permissions=["decide"])
    def release(self, request: HttpRequest, queryset: QuerySet[Recipient]) -> None:
        self.apply_to_each(
            request,
            queryset,
            lambda row, principal: release_recipient(
                recipient=row, reason=BY_STAFF, principal=principal
            ),
        )

    @admin.action(description="In review: close without a call", permissions=["decide"])
    def close(self, request: HttpRequest, queryset: QuerySet[Recipient]) -> None:
        self.apply_to_each(
            request,
            queryset,
            lambda row, principal: close_recipient(
                recipient=row, reason=BY_STAFF, principal=principal
            ),
        )


@admin.register(RejectedRow)
class RejectedRowAdmin(BatchRowsAdmin):
    list_display = ("row_number", "batch_name", "error_code", "error_message", "workspace_name")
    list_filter = (BY_BATCH, BY_WORKSPACE, choices_filter("error_code", REASONS, "error"))
    search_fields = ("error_code__exact",)
    search_ids = ("pk",)
    list_select_related = ("batch", "workspace")
