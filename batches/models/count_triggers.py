"""The triggers that count recipients: whatever writes to the table, the counts follow.

PostgreSQL's run once a statement, over all rows that it wrote, and only insert: two transactions
never wait for each other, and a COPY of thousands of rows writes a row or two. A worker adds them
up (batches/services/recipient_counts.py). SQLite has triggers for single rows only, and one writer
at a time, so its rows of counts are changed in place.
"""

from typing import Any

COUNTS_TABLE = "batches_recipientcount"
RECIPIENTS_TABLE = "batches_recipient"
COUNT_FUNCTION = f"{RECIPIENTS_TABLE}_count"
TRIGGER_NAMES = ("recipients_came", "recipients_moved", "recipients_went")
COUNT_KEY = "batch_id, status, outcome, reason, has_attempts"
# The key of a recipient's row.
COUNT_KEY_OF_ROW = "batch_id, status, COALESCE(outcome, ''), COALESCE(reason, ''), attempts > 0"
_INSERT = f"INSERT INTO {COUNTS_TABLE} ({COUNT_KEY}, recipients, is_folded)"

POSTGRESQL_TRIGGERS = f"""
CREATE OR REPLACE FUNCTION {COUNT_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        {_INSERT}
        SELECT {COUNT_KEY_OF_ROW}, COUNT(*), FALSE FROM came GROUP BY 1, 2, 3, 4, 5;
    ELSIF TG_OP = 'DELETE' THEN
        {_INSERT}
        SELECT {COUNT_KEY_OF_ROW}, -COUNT(*), FALSE FROM went GROUP BY 1, 2, 3, 4, 5;
    ELSIF TG_OP = 'UPDATE' THEN
        {_INSERT}
        SELECT {COUNT_KEY}, SUM(change), FALSE FROM (
            SELECT {COUNT_KEY_OF_ROW}, 1 FROM came UNION ALL SELECT {COUNT_KEY_OF_ROW}, -1 FROM went
        ) moved ({COUNT_KEY}, change)
        GROUP BY 1, 2, 3, 4, 5 HAVING SUM(change) <> 0;
    ELSE
        DELETE FROM {COUNTS_TABLE};
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER {TRIGGER_NAMES[0]} AFTER INSERT ON {RECIPIENTS_TABLE} REFERENCING NEW TABLE AS came
    FOR EACH STATEMENT EXECUTE FUNCTION {COUNT_FUNCTION}();
CREATE TRIGGER {TRIGGER_NAMES[1]} AFTER UPDATE ON {RECIPIENTS_TABLE}
    REFERENCING OLD TABLE AS went NEW TABLE AS came
    FOR EACH STATEMENT EXECUTE FUNCTION {COUNT_FUNCTION}();
CREATE TRIGGER {TRIGGER_NAMES[2]} AFTER DELETE ON {RECIPIENTS_TABLE} REFERENCING OLD TABLE AS went
    FOR EACH STATEMENT EXECUTE FUNCTION {COUNT_FUNCTION}();
CREATE TRIGGER recipients_truncated AFTER TRUNCATE ON {RECIPIENTS_TABLE}
    FOR EACH STATEMENT EXECUTE FUNCTION {COUNT_FUNCTION}();
"""  # noqa: S608 our own names


def _key_of(row: str) -> tuple[str, ...]:
    texts = (f"COALESCE({row}.{name}, '')" for name in ("outcome", "reason"))
    return f"{row}.batch_id", f"{row}.status", *texts, f"({row}.attempts > 0)"


def _change_on_sqlite(row: str, change: int) -> str:
    pairs = zip(COUNT_KEY.split(", "), _key_of(row), strict=True)
    same_key = " AND ".join(f"{column} = {value}" for column, value in pairs)
    return f"UPDATE {COUNTS_TABLE} SET recipients = recipients + {change} WHERE {same_key};"  # noqa: S608


_MORE = f"""{_change_on_sqlite("NEW", 1)}
    {_INSERT} SELECT {", ".join(_key_of("NEW"))}, 1, TRUE WHERE changes() = 0;"""
# Whoever is counted has a row: without one, the counts were emptied before the recipients.
_LESS = _change_on_sqlite("OLD", -1)
_MOVED = " OR ".join(
    f"{new} <> {old}" for new, old in zip(_key_of("NEW"), _key_of("OLD"), strict=True)
)
SQLITE_TRIGGERS = (
    f"{TRIGGER_NAMES[0]} AFTER INSERT ON {RECIPIENTS_TABLE} BEGIN {_MORE} END",
    f"{TRIGGER_NAMES[1]} AFTER UPDATE OF batch_id, status, outcome, reason, attempts "
    f"ON {RECIPIENTS_TABLE} WHEN {_MOVED} BEGIN {_LESS} {_MORE} END",
    f"{TRIGGER_NAMES[2]} AFTER DELETE ON {RECIPIENTS_TABLE} BEGIN {_LESS} END",
)


def create_triggers(connection: Any) -> None:
    """Let the database count from now on."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(POSTGRESQL_TRIGGERS)
            return
        for trigger in SQLITE_TRIGGERS:
            cursor.execute(f"CREATE TRIGGER IF NOT EXISTS {trigger}")


def drop_triggers(connection: Any) -> None:
    """Let the database count no longer."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"DROP FUNCTION {COUNT_FUNCTION}() CASCADE")
            return
        for name in TRIGGER_NAMES:
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}")


def lacks_triggers(connection: Any) -> bool:
    """Whether there are counts that nothing keeps.

    Django changes a table of SQLite by making it anew, and its triggers go with the old one.
    """
    if connection.vendor == "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM sqlite_master WHERE tbl_name IN (%s, %s)",
            [COUNTS_TABLE, RECIPIENTS_TABLE],
        )
        found = {name for (name,) in cursor.fetchall()}
    return COUNTS_TABLE in found and not found.issuperset(TRIGGER_NAMES)
