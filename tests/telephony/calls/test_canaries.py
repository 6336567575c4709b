"""One unmistakable word in every place that takes a secret, and in a person called; then everything
written is read.

Secrets must be readable nowhere: not in a table, not in a file of ours, not in a log. People are in
the tables, whose purpose they are, and nowhere else. (The sandbox has a folder of its own here: it
plays LiveKit, which must know both.)
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
PHONE, CALLEE = "+12025550100", "+12025550147"  # the callee answers


class World:
    """A workspace into which secrets are put through the doors for them; `secrets` are all of them,
    by their doors.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace, self.word = workspace, uuid4().hex
        self.email = f"ada-{self.word}@example.com"
        self.spoken = f"Spoken {self.word}"
        self.client = make.client(workspace)
        self.secrets: dict[str, str] = {}

    def new(self, door: str) -> str:
        self.secrets[door] = f"{door}-{uuid4().hex}"
        return self.secrets[door]

    def answered(self, path: str, body: dict[str, Any], *doors: str) -> Any:
        """Ask for something that is answered once; the request is repeatable, so its answer is
        stored.
        """
        answer = self.client.post(path, body, headers={"Idempotency-Key": uuid4().hex})
        assert answer.status_code == 201, answer.json()
        self.secrets |= {f"{path}.{door}": answer.json()[door] for door in doors}
        return answer.json()

    def plant(self) -> None:
        self.plant_people()
        self.answered("/api-keys", {"name": "K", "role": "member"}, "key")
        hook = self.answered("/webhooks", {"url": "https://example.com/hook"}, "secret")
        rotated = self.client.post(f"/webhooks/{hook['id']}/rotate-secret")
        self.secrets["the next secret of a webhook"] = rotated.json()["secret"]
        sip = {
            "address": "sip.example.com",
            "auth_username": "u",
            "auth_password": self.new("sip password"),
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

    def plant_people(self) -> None:
        password, stranger = self.new("password"), Client()
        body = {"email": f"who-{uuid4().hex[:8]}@example.com", "password": password}
        told = stranger.post("/auth/register", body, "application/json").json()
        self.secrets |= {name: told[name] for name in ("access_token", "refresh_token")}
        told = stranger.post(
            "/auth/refresh", {"refresh_token": told["refresh_token"]}, "application/json"
        ).json()
        self.secrets |= {f"new {name}": told[name] for name in ("access_token", "refresh_token")}
        guest = f"guest-{uuid4().hex[:8]}@example.com"
        make.bearer(make.member(self.workspace, role=Role.ADMIN)).post(
            f"/workspaces/{self.workspace.pk}/invitations", {"email": guest, "role": "member"}
        )
        stranger.post("/auth/password/reset", {"email": body["email"]}, "application/json")
        email_delivery.wait_until_sent()
        for letter in mail.outbox:
            self.secrets[str(letter.subject)] = max(
                str(letter.body).replace("=", " ").split(), key=len
            )
        factor = second_factor.begin_setup(user=make.user())
        self.secrets["totp"] = second_factor.decrypt_secret(SecondFactor.objects.get(pk=factor.pk))

    def call(self, box: RunningSandbox) -> Call:
        """Somebody is called and talks, while the workers and their doorbells are at work."""
        ids = {"agent_id": self.agent["id"], "from_number_id": self.number["id"]}
        person = {"to": CALLEE, "variables": {"email": self.email}, "metadata": {"x": self.word}}
        call_id = self.answered("/calls", {**ids, **person})["id"]
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
    """Of DATA_DIR: the broker's, caches, and the database itself where it is SQLite, deleted rows
    included.
    """
    found = [
        path
        for path in Path(os.environ["DATA_DIR"]).rglob("*")
        if path.is_file() and but not in path.name
    ]
    return b"\n".join(path.read_bytes() for path in found)


def without_canary() -> set[str]:
    """Encrypted columns in which nothing stands: a new one belongs into `World.plant`."""
    return {
        str(column)
        for column in encrypted_columns()
        if not column.model._default_manager.exclude(**{column.name: ""})
        .exclude(**{column.name: None})
        .exists()
    }


def doorbells() -> bool:
    """Whether the broker's messages are among the files; another broker keeps them elsewhere."""
    folder = current_app.conf.broker_transport_options.get("data_folder_out")
    return folder is None or any(Path(folder).iterdir())


def test_secrets_are_readable_nowhere_and_people_in_the_tables_only(
    ours: Workspace,
    box: RunningSandbox,
    lines: list[str],  # noqa: F811 - the fixture
) -> None:
    world = World(ours)
    world.plant()
    call = world.call(box)

    rows, written, log = tables(), files(), "\n".join(lines)
    metrics = Client().get("/metrics").content.decode()
    said = [turn.text for turn in call.turns.order_by("started_at")]
    assert (call.outcome, said[0]) == ("answered", f"{world.spoken} {world.email}")
    assert (len(world.secrets), without_canary()) == (
        20,
        {"accounts_erasednumber.key"},
    )  # made here, told to nobody
    assert [door for door, secret in world.secrets.items() if secret in rows] == []
    assert [door for door, secret in world.secrets.items() if secret.encode() in written] == []
    assert [door for door, secret in world.secrets.items() if secret in log] == []

    assert [
        word for word in (CALLEE, world.email, world.word) if word not in rows
    ] == []  # the search finds
    messages = files(but="sqlite3")
    assert doorbells()
    assert [word for word in (CALLEE, CALLEE[1:], world.word) if word.encode() in messages] == []
    assert [line for line in lines if CALLEE[1:] in line or world.word in line] == []
    assert [word for word in (CALLEE[1:], world.word, PHONE[1:]) if word in metrics] == []
