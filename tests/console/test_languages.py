"""The console speaks English, German, Spanish and French; API and admin keep English."""

import re

import polib
import pytest
from django.core import mail
from django.test import Client

from accounts.models import User, Workspace
from accounts.roles import Role
from accounts.services import email_delivery
from telephony.models import Call
from tests import make
from tests.console import catalogues
from tests.console.browsers import HTML, reader, text_of, visitor

GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}


@pytest.mark.parametrize("language", catalogues.LANGUAGES)
def test_every_sentence_of_the_console_is_translated(language: str) -> None:
    found = catalogues.catalogue(language)

    entries = {(entry.msgid, entry.msgid_plural) for entry in found}
    missing = [entry.msgid for entry in found if not entry.translated()]
    assert entries == set(catalogues.messages()), "run `make messages`"
    assert missing == []


@pytest.mark.parametrize("language", catalogues.LANGUAGES)
def test_translations_keep_the_placeholders(language: str) -> None:
    wrong = {
        entry.msgid: text
        for entry in catalogues.catalogue(language)
        for text in (entry.msgstr_plural.values() if entry.msgid_plural else [entry.msgstr])
        if placeholders(text) not in (placeholders(entry.msgid), placeholders(entry.msgid_plural))
    }

    assert wrong == {}


def placeholders(text: str) -> list[str]:
    return sorted(catalogues.PLACEHOLDERS.findall(text))


@pytest.mark.parametrize("language", catalogues.LANGUAGES)
def test_compiled_catalogue_is_that_of_the_text(language: str) -> None:
    compiled = polib.mofile(str(catalogues.LOCALES / language / "LC_MESSAGES" / "django.mo"))

    def sentences(entries: polib.POFile | polib.MOFile) -> dict[str, object]:
        return {entry.msgid: entry.msgstr or entry.msgstr_plural for entry in entries}

    assert sentences(compiled) == sentences(catalogues.catalogue(language))


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", "Anmelden"),
        ("es", "Iniciar sesión"),
        ("fr", "Se connecter"),
        ("en", "Sign in"),
        ("sv", "Sign in"),
    ],
)
def test_doors_speak_the_language_of_the_browser(language: str, words: str, db: None) -> None:
    make.user()

    page = visitor().get("/console/sign-in", headers={"Accept-Language": language})

    assert words in text_of(page)
    shown = language if language != "sv" else "en"
    assert f'<html lang="{shown}">' in page.content.decode()
    assert page["Content-Language"] == shown
    assert {"Accept-Language", "Cookie"} <= set(re.split(r",\s*", page["Vary"]))


def test_language_is_chosen_on_the_account_page_and_left_to_the_browser(ours: Workspace) -> None:
    browser = reader(make.member(ours))

    browser.post("/console/account", {"language": "fr"})
    chosen = text_of(browser.get("/", headers=GERMAN))
    browser.post("/console/account", {"language": ""})
    left = text_of(browser.get("/", headers=GERMAN))

    assert "Rapports" in chosen
    assert "Übersicht" in left


def test_numbers_and_codes_are_written_in_the_language(ours: Workspace) -> None:
    make.phone_number(ours, calls_per_second=0.5)
    make.call(ours, stage="ended", outcome="busy")
    browser = reader(make.member(ours, Role.ADMIN))
    number = ours.phone_numbers.get()

    calls = text_of(browser.get("/console/calls", headers=GERMAN))
    page = browser.get(f"/console/numbers/{number.pk}", headers=GERMAN).content.decode()

    assert "Besetzt" in calls
    assert 'value="0.5"' in page  # a field of numbers takes no comma


def test_refusals_in_plain_words_are_translated_and_the_api_stays_english(
    ours: Workspace,
) -> None:
    user = make.member(ours)
    wrong = {"email": user.email, "password": "wrong"}

    page = visitor().post("/console/sign-in", wrong, headers=GERMAN)
    answer = Client().post(
        "/auth/login", wrong, content_type="application/json", headers={**HTML, **GERMAN}
    )
    refused = Client().post(
        "/auth/login", {}, content_type="application/json", headers={**HTML, **GERMAN}
    )

    assert "E-Mail oder Passwort ist falsch." in text_of(page)
    assert answer.json() == {"detail": "Invalid email or password"}
    assert {error["msg"] for error in refused.json()["detail"]} == {"field required"}


def test_admin_stays_english(db: None) -> None:
    page = visitor().get("/admin/login/", headers=GERMAN)

    assert 'lang="en' in page.content.decode()
    assert "Anmelde" not in text_of(page)


def test_error_pages_of_the_console_are_in_the_language(ours: Workspace) -> None:
    answer = visitor().get("/console/nothing", headers=GERMAN)

    assert answer.status_code == 404
    assert "Hier ist nichts" in text_of(answer)


def test_mails_and_stored_texts_do_not_depend_on_the_reader(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.ADMIN))

    body = {"email": "grace@example.com", "role": "member"}
    browser.post("/console/settings/members", body, headers=GERMAN)
    email_delivery.wait_until_sent()
    browser.post("/console/calls/" + str(make.call(ours).pk) + "/order/hangup", headers=GERMAN)

    assert "invited" in str(mail.outbox[-1].body)
    assert [event.text for event in Call.unscoped.get().events.all() if "ufleg" in event.text] == []
    assert User.objects.count() == 1
