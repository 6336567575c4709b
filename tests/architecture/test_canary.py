"""Plants a unique word wherever personal data and secrets come in, and searches for it where it
must not appear: logs, the audit log, metrics and tables.
"""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import AuditEntry, Workspace
from tests import make
from voiceops.observability.structured_logging import JsonFormatter

PHONE = "+12025550147"
CANARY = "canary-6f1d0c"


@pytest.fixture
def lines(settings: Any) -> Iterator[list[str]]:
    """Every log line at DEBUG, as the product's own formatter writes it."""
    written: list[str] = []

    class CollectingHandler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(JsonFormatter().format(record))

    handler, root = CollectingHandler(logging.DEBUG), logging.getLogger()
    level_before = root.level
    ours = [
        logging.getLogger(name)
        for name in ("accounts", "agents", "batches", "telephony", "voiceops", "webhooks")
    ]
    root.addHandler(handler)
    for logger in ours:
        logger.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level_before)
    for logger in ours:
        logger.setLevel(logging.NOTSET)


def send_canary(workspace: Workspace) -> list[str]:
    """Send the canary to every entrance. Returns the secrets that the answers contained."""
    client = make.client(workspace)
    agent, number = make.agent(workspace), make.phone_number(workspace)
    password = f"{CANARY} and a password"
    stranger = Client()
    registered = stranger.post(
        "/auth/register",
        {"email": f"{CANARY}@example.com", "password": password},
        "application/json",
    )
    stranger.post(
        "/auth/login",
        {"email": f"{CANARY}@example.com", "password": f"{CANARY} wrong"},
        "application/json",
    )
    stranger.get("/auth/me", headers={"Authorization": f"Bearer {CANARY}"})
    stranger.get(f"/agents?api_key={CANARY}")
    key = client.post(
        "/api-keys", {"name": "K", "role": "member"}, headers={"Idempotency-Key": "1"}
    ).json()["key"]
    secret = client.post("/webhooks", {"url": "https://example.com/hook"}).json()["secret"]
    ids = {"agent_id": str(agent.pk), "from_number_id": str(number.pk)}
    client.post(
        "/calls", {**ids, "to": PHONE, "variables": {"x": CANARY}, "metadata": {"x": CANARY}}
    )
    client.post("/calls", {**ids, "to": f"{PHONE} {CANARY}"})
    client.get(f"/calls?to=%2B{PHONE[1:]}&search={CANARY}")
    client.post("/suppressions", {"phone_number": PHONE, "reason": CANARY})
    sip = {"address": "sip.example.com", "auth_username": "u", "auth_password": CANARY}
    client.post("/phone-numbers", {"phone_number": "+12025550199", "provider": "sip", "sip": sip})
    client.post(
        "/agents",
        {"name": "A", "system_prompt": CANARY, "tools": [{"type": "webhook", "name": CANARY}]},
    )
    client.post("/agents", CANARY, content_type="application/json")
    tokens = registered.json()
    return [key, secret, tokens["access_token"], tokens["refresh_token"]]


def test_personal_data_and_secrets_are_not_logged_audited_or_measured(
    ours: Workspace, lines: list[str]
) -> None:
    secrets = send_canary(ours)

    log = "\n".join(lines)
    trail = str(
        list(
            AuditEntry.unscoped.exclude(actor_name__contains=CANARY).values(
                "action", "changes", "object_id"
            )
        )
    )
    assert len(lines) > 10
    assert [word for word in (PHONE, CANARY, *secrets) if word in log] == []
    assert [word for word in (PHONE, CANARY, *secrets) if word in trail] == []
    assert [
        word for word in (PHONE, CANARY) if word in Client().get("/metrics").content.decode()
    ] == []


def test_no_secret_is_readable_in_any_table(ours: Workspace, lines: list[str]) -> None:
    secrets = send_canary(ours)

    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        rows = ""
        for table in tables:
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - the database's own names
            rows += str(cursor.fetchall())
    assert [secret for secret in (f"{CANARY} and a password", *secrets) if secret in rows] == []
