"""The reference says what the code says."""

import re
from pathlib import Path

import pytest

from ops.management.commands.document_reference import REFERENCE_PAGES
from ops.management.reference.commands_page import own_commands
from ops.management.reference.settings_page import EXAMPLE, VARIABLE
from telephony.models import Outcome
from tests.architecture.source import ROOT
from webhooks.models import EVENTS, TEST_EVENT


@pytest.mark.parametrize("page", REFERENCE_PAGES, ids=lambda page: page.stem)
def test_the_page_is_as_the_code_has_it(page: Path) -> None:
    assert page.read_text() == REFERENCE_PAGES[page](), "run `make docs`"


def documented_settings() -> set[str]:
    matches = map(VARIABLE.fullmatch, EXAMPLE.read_text().splitlines())
    return {match[2] for match in matches if match}


def test_the_contract_names_settings_that_exist() -> None:
    section = (ROOT / "docs/reference/api-contract.md").read_text()
    section = section.partition("## 10. ")[2].partition("\n\n`make run`")[0].partition("\n## ")[0]
    named = set(re.findall(r"`([A-Z][A-Z0-9_]{3,})`", section))

    assert len(named) > 30
    assert named - documented_settings() == set()


def test_every_command_every_outcome_and_every_event_has_its_row() -> None:
    commands, outcomes, _, events, _ = (page.read_text() for page in REFERENCE_PAGES)

    assert {"run_batch", "doctor", "create_api_key", "sandbox"} <= set(own_commands())
    assert [name for name in own_commands() if f"\n## {name}\n" not in commands] == []
    assert [outcome for outcome in Outcome.values if f"\n| `{outcome}` |" not in outcomes] == []
    assert [event for event in (*EVENTS, TEST_EVENT) if f"\n| `{event}` |" not in events] == []


def test_the_page_about_webhooks_names_every_event() -> None:
    page = (ROOT / "docs/webhooks.md").read_text()

    assert [event for event in (*EVENTS, TEST_EVENT) if f"`{event}`" not in page] == []
