import pytest
from django.conf import settings
from django.db import OperationalError, connection, transaction

from voiceops.core.statement_timeouts import disable_statement_timeout, set_statement_timeouts


@pytest.mark.parametrize("engine", ["django.db.backends.postgresql", "voiceops.db.sqlite"])
def test_only_postgresql_gets_statement_timeouts(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, object] = {"options": "-c random_page_cost=1.1"}
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", engine)
    monkeypatch.setitem(settings.DATABASES["default"], "OPTIONS", options)

    set_statement_timeouts(5)

    limits = (
        " -c statement_timeout=5s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s"
    )
    assert options["options"] == "-c random_page_cost=1.1" + (
        limits if engine.endswith("postgresql") else ""
    )


@pytest.mark.django_db
def test_the_timeout_can_be_lifted_for_a_transaction() -> None:
    if connection.vendor != "postgresql":
        disable_statement_timeout()
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '50ms'")
        disable_statement_timeout()
        cursor.execute("SELECT pg_sleep(0.1)")
        cursor.execute("SET LOCAL statement_timeout = '50ms'")
        with pytest.raises(OperationalError):
            cursor.execute("SELECT pg_sleep(0.1)")
        transaction.set_rollback(True)
