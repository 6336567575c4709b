"""Batches, recipients, callbacks, suppressions and analytics, in words."""

from batches.domain.spreadsheets import REJECTION_COLUMNS, RESULT_COLUMNS
from batches.openapi.examples import SUPPRESSION_EXAMPLE
from voiceops.api.example_ids import EXAMPLE_CALL_ID
from voiceops.api.operations import Operation
from voiceops.core.csv_encoding import csv_text

LIST_ERRORS = (
    "list_unreadable list_empty file_too_large too_many_rows too_many_waiting_lists disk_full"
)
CREATING = f"agent_not_found agent_not_published phone_number_not_found phone_number_not_active \
column_mapping_not_found {LIST_ERRORS}"
RESULTS_EXAMPLE = csv_text(
    ["Phone", "Name", *RESULT_COLUMNS],
    [
        *("+12025550123", "Ada", "completed", "answered", None, 1, 200),
        *("2027-03-01T09:00:00.000Z", 41.2, EXAMPLE_CALL_ID),
    ],
)
REJECTED_EXAMPLE = csv_text(
    ["Phone", "Name", *REJECTION_COLUMNS],
    ["12345", "Eve", 18, "invalid_number", "12345 is no phone number"],
)
BATCH_TAGS = {
    "batches": "Lists of recipients that are called one after the other, within their limits.",
    "recipients": "The lists that a number stands in.",
    "callbacks": "Calls at a time that the callee asked for.",
    "column-mappings": "Saved meanings of the columns of lists.",
    "suppressions": "Numbers that are never called, whoever asks.",
    "analytics": "Figures of calls over time.",
    "saved-reports": "Ranges of days under a name, by e-mail each Monday to those who ask.",
}
BATCH_OPERATIONS = {
    "batches_list": Operation(
        "List batches", "Newest first; by status, agent or a part of the name."
    ),
    "batches_create": Operation(
        "Create a batch",
        "Takes a list as a file (CSV or XLSX) in a form, in which objects are JSON, or as "
        "`recipients` in JSON. Answers at once with status `validating`; the list is read in the "
        "background, and `start` says what happens then. The column of phone numbers is found by "
        "its name; every other column is a variable.",
        CREATING,
    ),
    "batches_preview": Operation(
        "Preview a list",
        "The same input as a new batch, and nothing is stored: the columns found, how many rows "
        "are valid and why others are not, who may be called when, and when it may end.",
        CREATING,
    ),
    "batches_get": Operation(
        "Get a batch",
        "`error` says why it failed or paused itself. `counts` has its recipients by status.",
    ),
    "batches_update": Operation(
        "Change a batch",
        "Pace, window, retries and priority also while it runs; the agent, the number and the "
        "columns before it has started.",
        "agent_not_found phone_number_not_found batch_started batch_ended batch_validating "
        "phone_column_fixed scheduled_at_missing phone_number_not_active list_unreadable",
    ),
    "batches_delete": Operation(
        "Delete a batch", "Its recipients and lists go, its calls stay.", "batch_running"
    ),
    "batches_start": Operation(
        "Start a batch",
        "From `ready`, `scheduled` or `completed` with new recipients.",
        "batch_already_running batch_paused batch_validating batch_ended batch_agent_deleted "
        "batch_phone_number_deleted phone_number_not_active agent_settings_too_long",
    ),
    "batches_pause": Operation(
        "Pause a batch",
        "At the latest two seconds later nobody is dialled. Calls that ring or talk go on.",
        "batch_not_running",
    ),
    "batches_resume": Operation(
        "Resume a paused batch",
        "Also one that paused itself, which is then tried at once.",
        "batch_not_paused batch_agent_deleted batch_phone_number_deleted phone_number_not_active",
    ),
    "batches_stop": Operation(
        "Stop a batch for good",
        "Recipients that wait are cancelled. `hang_up_active` also ends the calls that are up.",
        "batch_validating batch_ended",
    ),
    "batches_clone": Operation(
        "Create a batch from another",
        "With the same settings and all recipients, those that were not reached, or those with "
        "certain outcomes.",
        "batch_validating batch_agent_deleted batch_phone_number_deleted no_recipient_matches",
    ),
    "batches_progress": Operation(
        "Follow a batch",
        "Counts, rates, outcomes and the estimated end. With `Accept: text/event-stream` one "
        "event a second until the batch ends; each `data:` is this body.",
    ),
    "batches_reasons_list": Operation(
        "Why recipients are not called",
        "Each reason in words, with what can be done and how many it concerns, most first.",
    ),
    "batches_recipients_list": Operation(
        "List recipients",
        "In the order of the list, by status or outcome. `after_id` and `before_id` walk through "
        "all without repeating or skipping one.",
    ),
    "batches_recipients_create": Operation(
        "Append recipients",
        "More rows, as a file or in JSON. `on_existing` says what becomes of rows whose external "
        "id the batch has already. The rows are read in the background: the batch keeps its "
        "status, and does not complete before.",
        f"batch_validating batch_reading batch_ended {LIST_ERRORS}",
    ),
    "batches_recipients_release": Operation(
        "Call a recipient in review again",
        "For a recipient of whom nobody can prove whether the phone rang.",
        "recipient_not_found recipient_not_in_review batch_ended",
    ),
    "batches_recipients_close": Operation(
        "Close a recipient in review",
        "It is not called again.",
        "recipient_not_found recipient_not_in_review",
    ),
    "batches_rejected_list": Operation(
        "List rejected rows", "Rows that could not become recipients, each with its reason."
    ),
    "batches_results_csv": Operation(
        "Download results as CSV",
        "The original columns, then status, outcome, reason, attempts, SIP code, time, duration "
        "and call. Streamed.",
        answer=RESULTS_EXAMPLE,
    ),
    "batches_results_xlsx": Operation(
        "Download results as a workbook", "The same columns as the CSV."
    ),
    "batches_rejected_csv": Operation(
        "Download rejected rows",
        "The original columns, then the row's number and why it was rejected: to be corrected and "
        "appended.",
        answer=REJECTED_EXAMPLE,
    ),
    "callbacks_list": Operation("List callbacks", "By status, recipient or batch, newest first."),
    "callbacks_create": Operation(
        "Schedule a callback",
        "For a recipient of a batch (`recipient_id`), or for any number (`agent_id` and `to`). A "
        "time outside the calling window is moved to when it opens.",
        "recipient_not_found agent_not_found agent_not_published batch_ended callback_in_the_past "
        "callback_never_open invalid_phone_number number_not_dialable number_suppressed "
        "no_phone_number missing_variables",
    ),
    "callbacks_get": Operation(
        "Get a callback", "`moved_reason` says why its time is not the one that was asked for."
    ),
    "callbacks_update": Operation(
        "Change a callback",
        "Its time, number or note, until it is made.",
        "callback_ended callback_in_the_past callback_never_open invalid_phone_number",
    ),
    "callbacks_delete": Operation(
        "Cancel a callback", "Its row stays, with status `cancelled`.", "callback_ended"
    ),
    "column_mappings_list": Operation("List column mappings", "Newest first, or sorted by name."),
    "column_mappings_create": Operation(
        "Save a column mapping",
        "A list with the same columns is recognised by it from now on.",
        "column_mapping_exists",
    ),
    "column_mappings_get": Operation(
        "Get a column mapping", "What each column of a list means; null ignores one."
    ),
    "column_mappings_update": Operation(
        "Change a column mapping", "Lists that were read keep theirs.", "column_mapping_exists"
    ),
    "column_mappings_delete": Operation(
        "Delete a column mapping", "Lists that were read with it stay as they are."
    ),
    "saved_reports_list": Operation("List saved reports", "Newest first, or sorted by name."),
    "saved_reports_create": Operation(
        "Save a report",
        "A range of days under a name, for everybody in the workspace.",
        "saved_report_exists too_many_saved_reports",
    ),
    "saved_reports_get": Operation("Get a saved report", "Its days, and whether you are sent it."),
    "saved_reports_delete": Operation(
        "Delete a saved report", "Nobody gets it by e-mail any more."
    ),
    "saved_reports_subscribe": Operation(
        "Get a report each Monday",
        "By e-mail to the user who asks, at 7:00 of the workspace's Monday, until they end it, "
        "in `language`.",
        "fixed_days_by_mail",
    ),
    "saved_reports_unsubscribe": Operation(
        "End a weekly e-mail", "Also where there is none; the e-mail has a link that does it, too."
    ),
    "recipients_list": Operation(
        "Find the lists that a number stands in",
        "Newest first, with when the person is called next and which rule decides it: the calling "
        "window, a retry, a limit, a budget, or the state of the batch.",
        "invalid_phone_number",
    ),
    "suppressions_list": Operation(
        "List suppressions",
        "Newest first. `search` finds digits within numbers; `active=false` lists expired ones.",
    ),
    "suppressions_export_csv": Operation(
        "Export suppressions",
        "The numbers that the list's filters find, newest first, streamed as CSV with a byte order "
        "mark. A column for each field of a suppression.",
        answer=csv_text([*SUPPRESSION_EXAMPLE], [*SUPPRESSION_EXAMPLE.values()]),
    ),
    "suppressions_create": Operation(
        "Suppress a number",
        "It is not called from now on, at the latest two seconds later, by no batch and no call.",
        "number_already_suppressed invalid_phone_number suppression_expiry_past",
    ),
    "suppressions_delete": Operation("Lift a suppression", "The number may be called again."),
    "suppressions_import": Operation(
        "Suppress the numbers of a file",
        "Adds every number at once and answers 200 with the rows that were rejected. A file of "
        "more than 20,000 rows is read in the background: 201 with its import.",
        "list_unreadable file_too_large suppression_expiry_past",
    ),
    "suppressions_imports_list": Operation(
        "List imports of suppressions", "Long files that are, or were, read in the background."
    ),
    "suppressions_imports_get": Operation(
        "Get an import of suppressions", "How far it has been read, and which rows were rejected."
    ),
    "analytics_summary": Operation(
        "Get a summary",
        "Calls, answer rate, outcomes and talk time between two instants, in total and by group. "
        "`from` is 30 days ago by default (by hour: a day), `to` is now.",
        "summary_span_reversed summary_span_too_long",
    ),
}
