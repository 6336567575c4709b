"""What the API says, in the words and the language of the console's pages."""

import re
from pathlib import Path

import pytest
from django.utils import translation

from batches.reporting.reasons import EXPLANATIONS
from console.forms import sentence
from console.templatetags.console import (
    count,
    day,
    money,
    offset,
    percent,
    timeline_text,
    why,
)
from console.wording import api_sentences
from console.wording.events import EVENT_WORDS
from telephony.domain.descriptions import WHO_HUNG_UP
from telephony.domain.dial_verdicts import BY_REASON
from telephony.services.report_texts import DETECTION_TEXTS
from webhooks.models import EVENTS

ROOT = Path(__file__).parents[2]
# As services write them: audit.record("batch.started", …), or a helper that takes the action.
AUDITED = re.compile(r"(?:record|_save|_audit)\(\s*\"([a-z_]+\.[a-z_]+)\"")
BLANK = "\N{NO-BREAK SPACE}"
SNAKE_CASE = re.compile(r"\b[a-z]+_[a-z_]+\b")
OF_THE_API = (
    *(part for explanation in EXPLANATIONS.values() for part in explanation if part),
    *(verdict.description for verdict in BY_REASON.values()),
    *DETECTION_TEXTS.values(),
    *WHO_HUNG_UP.values(),
)


def test_every_reason_and_verdict_has_words_in_every_language() -> None:
    unknown = []
    for language in ("de", "es", "fr"):
        with translation.override(language):
            unknown += [
                (language, text)
                for text in OF_THE_API
                if api_sentences.in_page_language(text) in (None, text)
            ]

    assert unknown == []


def test_reasons_name_no_setting_of_the_api() -> None:
    wrong = [text for text in map(sentence, OF_THE_API) if SNAKE_CASE.search(text)]

    assert wrong == []


@pytest.mark.parametrize(
    ("text", "german"),
    [
        ("+12025550186 is ringing", "+12025550186 klingelt"),
        ("The callee's line was busy (486 Busy Here)", "Der Anschluss war besetzt (486 Busy Here)"),
        (
            "The carrier is out of channels (503 Busy). It costs no attempt, and the number is "
            "called again after 10:00:00 UTC",
            "Der Netzbetreiber hat keine Leitung frei (503 Busy). Es kostet keinen Versuch, und "
            "die Nummer wird nach 10:00:00 UTC erneut angerufen",
        ),
        ("The agent used end_call", "Der Agent hat end call benutzt"),
        ("Disposition: never_again (by agent)", "Gesprächsergebnis: never again (durch agent)"),
        (
            "No voice worker here speaks elevenlabs (tts): its key is missing",
            "Kein Sprachagent hier spricht mit elevenlabs (tts): der Schlüssel fehlt",
        ),
        ("Somebody's own words", "Somebody's own words"),
    ],
)
def test_lines_of_a_timeline_are_in_the_language(text: str, german: str) -> None:
    with translation.override("de"):
        assert timeline_text(text) == german


def test_batch_that_paused_itself_says_why_in_the_language() -> None:
    error = (
        "The carrier failed (503 Service Unavailable), 12 times in a row. One call at a time "
        "probes, and the batch resumes when it gets through."
    )

    with translation.override("es"):
        text = sentence(error)

    assert text == (
        "El operador falló (503 Service Unavailable), 12 veces seguidas. Se prueba con una llamada "
        "cada vez, y la campaña continúa cuando una consigue pasar."
    )
    assert sentence(error) == error


def test_every_event_and_every_entry_of_the_audit_log_has_words() -> None:
    written = {
        code
        for app in ("accounts", "agents", "batches", "telephony", "webhooks")
        for path in (ROOT / app).rglob("*.py")
        if "migrations" not in path.parts
        for code in AUDITED.findall(path.read_text())
    }

    assert len(written) > 60
    assert [code for code in {*EVENTS, *written} if code not in EVENT_WORDS] == []


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("en", ["1,234,567", "1,234.50 USD", "10 Mar 2026", "+0.8 s", "33.3 %"]),
        ("de", ["1.234.567", "1.234,50 USD", "10. März 2026", "+0,8 s", "33,3 %"]),
        (
            "es",
            [
                f"1{BLANK}234{BLANK}567",
                f"1{BLANK}234,50 USD",
                "10 mar 2026",
                "+0,8 s",
                "33,3 %",
            ],
        ),
        (
            "fr",
            [
                f"1{BLANK}234{BLANK}567",
                f"1{BLANK}234,50 USD",
                "10 mars 2026",
                "+0,8 s",
                "33,3 %",
            ],
        ),
    ],
)
def test_figures_and_days_are_written_as_in_the_language(language: str, written: list[str]) -> None:
    with translation.override(language):
        assert [
            count(1_234_567),
            money(1234.5),
            day("2026-03-10"),
            offset("2026-03-10T10:00:00.800Z", "2026-03-10T10:00:00Z"),
            percent(1 / 3),
        ] == written


def test_an_operators_own_reason_stays_as_it_is() -> None:
    with translation.override("es"):
        assert why("moved abroad") == "Moved abroad."
