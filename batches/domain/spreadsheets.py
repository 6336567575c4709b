"""What exports and imports share: the columns we add to a list."""

REJECTION_COLUMNS = ("row_number", "error_code", "error_message")
"""The columns that rejected.csv has after the uploaded ones."""

RESULT_COLUMNS = (
    "status",
    "outcome",
    "reason",
    "attempts",
    "sip_status_code",
    "called_at",
    "duration_seconds",
    "call_id",
)
"""The columns that results.csv and results.xlsx have after the uploaded ones."""
