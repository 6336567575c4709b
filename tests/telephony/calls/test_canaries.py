"""Unique words in every field that holds a secret or personal data, searched in all that is stored.

Secrets must be readable nowhere: not in a table, not in a file of ours, not in a log. Personal data
is in the tables and nowhere else. The sandbox has a folder of its own here, because it plays
LiveKit, which has to know both.
"""

import os
import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import current_app
from django.core import mail
from django.db import connection
from django.test import Client

from accounts.auth import second_factor
from accounts.models import SecondFactor, Workspace
from accounts.roles import Role
from accounts.services import email_delivery
from ops.checking.key_rotation import encrypted_columns
from telephony.domain import report_tokens
from telephony.models import Call
from tests import make
from tests.architecture.test_canary import lines  # noqa: F401 - the fixture
from tests.sandbox_server import RunningSandbox
from worker import dispatcher

pytestmark = pytest.mark.slow
PHONE = "+12025550100"
CALLEE = "+12025550147"  # answers in the sandbox


class World:
    """A workspace with a unique word in every secret; `secrets` has them by the field's name."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace, self.word = workspace, uuid4().hex
        self.email = f"ada-{self.word}@example.com"
        self.spoken = f"Spoken {self.word}"
        self.client = make.client(workspace)
        self.secrets: dict[str, str] = {}

    def new(self, field: str) -> str:
        self.secrets[field] = f"{field}-{uuid4().hex}"
        return self.secrets[field]

    def answered(self, path: str, body: dict[str, Any], *fields: str) -> Any:
        """Create something, and remember the secrets that are returned only once.

        The request has an idempotency key, so that its response is stored.
        """
        answer = self.client.post(path, body, headers={"Idempotency-Key": uuid4().hex})
        assert answer.status_code == 201, answer.json()
        self.secrets |= {f"{path}.{field}": answer.json()[field] for field in fields}
        return answer.json()

    def plant(self) -> None:
        self.plant_users()
        self.answered("/api-keys", {"name": "K", "role": "member"}, "key")
        hook = self.answered("/webhooks", {"url": "https://example.com/hook"}, "secret")
        rotated = self.client.post(f"/webhooks/{hook['id']}/rotate-secret")
        self.secrets["the next secret of a webhook"] = rotated.json()["secret"]
        sip = {
            "address": "sip.example.com",
            "auth_username": "u",
            "auth_password": self.new("sip password"),
            "headers": {"X-Carrier-Token": self.new("sip header")},
        }
        self.number = self.answered(
            "/phone-numbers", {"phone_number": PHONE, "provider": "sip", "sip": sip}
        )
        self.client.patch(
            f"/phone-numbers/{self.number['id']}",
            {"sip": {**sip, "auth_password": self.new("sip 2")}},
        )
        trunk = {"direction": "outbound", "address": "sip.example.com", "numbers": ["+12025550101"]}
        trunk |= {"auth_username": "u", "auth_password": self.new("trunk password")}
        self.answered("/sip-trunks", trunk)
        self.plant_agent()

    def plant_agent(self) -> None:
        headers = {"Authorization": self.new("header")}
        tools = [
            {"type": "webhook", "name": "book", "url": "https://example.com/", "headers": headers}
        ]
        llm, stt, tts = (
            {"model": "m", "api_key": self.new(name)} for name in ("llm", "stt", "tts")
        )
        body = {
            "name": "A",
            "system_prompt": "Be kind.",
            "tools": tools,
            "llm": llm,
            "stt": stt,
            "tts": tts,
        }
        self.agent = self.answered(
            "/agents", {**body, "first_message": f"{self.spoken} {{{{email}}}}"}
        )
        url = f"/agents/{self.agent['id']}"
        for step in ("publish", "duplicate"):
            self.client.post(f"{url}/{step}")
        tools[0]["headers"] = {"Authorization": self.new("header 2")}
        self.client.patch(url, {"tools": tools})
        self.client.post(f"{url}/publish")
        self.client.post(f"{url}/rollback", {"version": 1})

    def plant_users(self) -> None:
        password, stranger = self.new("password"), Client()
        body = {"email": f"who-{uuid4().hex[:8]}@example.com", "password": password}
        tokens = stranger.post("/auth/register", body, "application/json").json()
        self.secrets |= {name: tokens[name] for name in ("access_token", "refresh_token")}
        tokens = stranger.post(
            "/auth/refresh", {"refresh_token": tokens["refresh_token"]}, "application/json"
        ).json()
        self.secrets |= {f"new {name}": tokens[name] for name in ("access_token", "refresh_token")}
        guest = f"guest-{uuid4().hex[:8]}@example.com"
        make.bearer(make.member(self.workspace, role=Role.ADMIN)).post(
            f"/workspaces/{self.workspace.pk}/invitations", {"email": guest, "role": "member"}
        )
        stranger.post("/auth/password/reset", {"email": body["email"]}, "application/json")
        email_delivery.wait_until_sent()
        for message in mail.outbox:
            self.secrets[str(message.subject)] = max(
                str(message.body).replace("=", " ").split(), key=len
            )
        factor = second_factor.begin_setup(user=make.user())
        self.secrets["totp"] = second_factor.decrypt_secret(SecondFactor.objects.get(pk=factor.pk))

    def call(self, box: RunningSandbox) -> Call:
        """Place a call that is answered, while the workers and their broker are running."""
        ids = {"agent_id": self.agent["id"], "from_number_id": self.number["id"]}
        callee = {"to": CALLEE, "variables": {"email": self.email}, "metadata": {"x": self.word}}
        call_id = self.answered("/calls", {**ids, **callee})["id"]
        thread = threading.Thread(target=dispatcher.run_dispatcher)
        thread.start()
        try:
            box.wait_for(
                lambda: self.client.get(f"/calls/{call_id}").json()["status"] == "ended", timeout=30
            )
            box.wait_for(
                lambda: len(self.client.get(f"/calls/{call_id}/transcript").json()["turns"]) >= 4
            )
        finally:
            dispatcher.stopping.set()
            thread.join(20)
            dispatcher.stopping.clear()
        call = Call.unscoped.get(pk=call_id)
        self.secrets["what the agent reports with"] = report_tokens.mint(call.pk)
        return call


def tables() -> str:
    with connection.cursor() as cursor:
        rows = ""
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - the database's own names
            rows += str(cursor.fetchall())
    return rows


def files(*, but: str = "nothing") -> bytes:
    """Return every file of DATA_DIR: the broker's, caches, and an SQLite database with its deleted
    rows.
    """
    found = [
        path
        for path in Path(os.environ["DATA_DIR"]).rglob("*")
        if path.is_file() and but not in path.name
    ]
    return b"\n".join(path.read_bytes() for path in found)


def without_canary() -> set[str]:
    """Return encrypted columns without a value: new ones have to be added to `World.plant`."""
    return {
        str(column)
        for column in encrypted_columns()
        if not column.model._default_manager.exclude(**{column.name: ""})
        .exclude(**{column.name: None})
        .exists()
    }


def broker_has_messages() -> bool:
    """Return whether the broker's messages are among the files, unless it stores them elsewhere."""
    folder = current_app.conf.broker_transport_options.get("data_folder_out")
    return folder is None or any(Path(folder).iterdir())


def test_secrets_are_stored_encrypted_and_personal_data_only_in_tables(
    ours: Workspace,
    box: RunningSandbox,
    lines: list[str],  # noqa: F811 - the fixture
) -> None:
    world = World(ours)
    world.plant()
    call = world.call(box)

    rows, written, log = tables(), files(), "\n".join(lines)
    metrics = Client().get("/metrics").content.decode()
    spoken_texts = [turn.text for turn in call.turns.order_by("started_at")]
    assert (call.outcome, spoken_texts[0]) == ("answered", f"{world.spoken} {world.email}")
    # The key of erased numbers is generated and never given to anyone.
    assert (len(world.secrets), without_canary()) == (22, {"accounts_erasednumber.key"})
    assert [field for field, secret in world.secrets.items() if secret in rows] == []
    assert [field for field, secret in world.secrets.items() if secret.encode() in written] == []
    assert [field for field, secret in world.secrets.items() if secret in log] == []

    # The words are in the tables, which proves that the search works.
    assert [word for word in (CALLEE, world.email, world.word) if word not in rows] == []
    messages = files(but="sqlite3")
    assert broker_has_messages()
    assert [word for word in (CALLEE, CALLEE[1:], world.word) if word.encode() in messages] == []
    assert [line for line in lines if CALLEE[1:] in line or world.word in line] == []
    assert [word for word in (CALLEE[1:], world.word, PHONE[1:]) if word in metrics] == []
