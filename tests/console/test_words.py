"""The words of every page, as every role reads them and in every language."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Workspace
from accounts.roles import Role
from batches.models import Recipient
from telephony.models import Call, Turn
from tests import make
from tests.console import catalogues
from tests.console.browsers import TAGS, reader

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-")
SNAKE_CASE = re.compile(r"\b[a-z]+_[a-z_]+\b")
JSON_TEXT = re.compile(r"\{\"|\":|\[\{|'\w+':")
FOLDED = re.compile(r"<details.*?</details>|<select.*?</select>", re.DOTALL)
# Of a sentence so long that it is no name of something.
MIN_SENTENCE_CHARACTERS = 14
PAGES = (
    *("home", "batches", "batch", "batch-people", "batch-refused", "new-batch", "calls", "call"),
    *("people", "person", "callbacks", "do-not-call", "reports", "agents", "agent", "numbers"),
    *("number", "buy-number", "developers", "webhook", "delivery", "settings", "members"),
    *("audit", "account", "factor", "workspaces"),
)


@pytest.fixture
def addresses(ours: Workspace) -> dict[str, str]:
    """A workspace in which something of each kind has happened, and its pages."""
    agent = make.agent(
        ours,
        variables=[{"name": "first_name", "required": True}],
        dispositions=[{"name": "never_again", "consequence": {"type": "suppress"}}],
        tools=[{"type": "end_call", "name": "end_call"}],
    )
    number = make.phone_number(ours)
    error = "The carrier failed, 20 times in a row. One call at a time probes, and the batch "
    batch = make.batch(
        ours, agent=agent, phone_number=number, status="paused", started_at=timezone.now(),
        error=f"{error}resumes when it gets through.", rejected_count=1, rows_read=9,
    )  # fmt: skip
    for status, reason in (
        ("skipped", "missing_variable"), ("skipped", "suppressed"), ("review", "in_doubt"),
        ("failed", "carrier_unavailable"), ("retrying", "min_gap"), ("pending", None),
    ):  # fmt: skip
        make.recipient(batch, status=status, reason=reason)
    make.rejected_row(batch, error_code="not_a_number", error_message="“x” is no phone number")
    now = timezone.now()
    call = make.call(
        ours, agent=agent, batch_id=batch.pk, stage="ended", outcome="answered", dialed_at=now,
        answered_at=now, ended_at=now, disposition="never_again", sip_status_code=200,
        variables={"first_name": "Ada"},
    )  # fmt: skip
    make_timeline(call)
    make.callback(ours, agent=agent)
    make.suppression(ours, source="opt_out")
    make.saved_report(ours)
    make.api_key(ours)
    make.audit_entry(ours)
    delivery = make.delivery(make.webhook(ours), status="failed", response_status=500)
    rows: dict[str, dict[str, Any]] = {
        **{name: {"pk": batch.pk} for name in ("batch", "batch-people", "batch-refused")},
        "call": {"pk": call.pk},
        "person": {"number": call.to_number},
        "agent": {"pk": agent.pk},
        "number": {"pk": number.pk},
        "webhook": {"pk": delivery.endpoint_id},
        "delivery": {"pk": delivery.endpoint_id, "delivery": delivery.pk},
    }
    return {name: reverse(f"console:{name}", kwargs=rows.get(name)) for name in PAGES}


def make_timeline(call: Call) -> None:
    """Events and a turn of each speaker."""
    texts = ("+12025550186 is ringing", "The agent used end_call", "The callee hung up")
    for index, text in enumerate(texts):
        call.events.create(
            type="x", text=text, at=timezone.now(), external_id=str(index), workspace=call.workspace
        )
    for role in ("agent", "user", "tool"):
        Turn.unscoped.create(
            role=role, started_at=timezone.now(), external_id=role, call=call, text="Hello",
            workspace=call.workspace,
        )  # fmt: skip


def visible_text(browser: Client, page: str) -> str:
    """What a reader of the page sees, without what is folded and without choices."""
    answer = browser.get(page)
    if answer.status_code == 403:
        return ""
    html = FOLDED.sub(" ", answer.content.decode().partition("<main")[2])
    return " ".join(unescape(TAGS.sub(" ", f"<main{html}")).split())


def wrong_words(text: str) -> list[str]:
    return [*UUID.findall(text), *SNAKE_CASE.findall(text), *JSON_TEXT.findall(text)]


@pytest.mark.parametrize("role", list(Role), ids=str)
def test_no_page_has_ids_codes_or_json(
    role: Role, ours: Workspace, addresses: dict[str, str]
) -> None:
    browser = reader(make.member(ours, role))

    texts = {name: visible_text(browser, page) for name, page in addresses.items()}

    assert Recipient.unscoped.count() == 6
    assert {name: wrong for name, text in texts.items() if (wrong := wrong_words(text))} == {}
    assert [name for name, text in texts.items() if not text] == {
        Role.MEMBER: ["new-batch", "person", "buy-number", "delivery", "audit"],
        Role.MANAGER: ["buy-number", "audit"],
        Role.ADMIN: [],
    }[role]


@pytest.mark.parametrize("language", catalogues.LANGUAGES)
def test_every_page_is_in_its_readers_language(
    language: str, ours: Workspace, addresses: dict[str, str]
) -> None:
    browser = reader(make.member(ours, Role.ADMIN))
    browser.cookies["console_language"] = language
    translated = [
        entry.msgid
        for entry in catalogues.catalogue(language)
        if len(entry.msgid) >= MIN_SENTENCE_CHARACTERS and entry.msgstr not in ("", entry.msgid)
    ]

    found: dict[str, Any] = {}
    for name, page in addresses.items():
        text = visible_text(browser, page)
        if english := [sentence for sentence in translated if sentence in text]:
            found[name] = english
        if wrong := wrong_words(text):
            found[f"{name} words"] = wrong

    assert found == {}
