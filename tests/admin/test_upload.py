"""The admin's form for a new batch: whose rows it offers, and what the columns mean."""

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Workspace
from agents.models import Agent
from tests import make
from tests.admin.pages import page_of

URL = "/admin/batches/batch/upload/"


def form_for(of: Workspace, content: bytes, **fields: str) -> dict[str, object]:
    return {
        "name": "Reminders",
        "workspace": str(of.pk),
        "agent": str(make.agent(of).pk),
        "phone_number": str(make.phone_number(of).pk),
        "file": SimpleUploadedFile("list.csv", content),
        "start": "manual",
        **fields,
    }


def test_the_form_offers_rows_of_the_chosen_workspace(
    staff: Client, ours: Workspace, theirs: Workspace
) -> None:
    own, foreign = make.agent(ours), make.agent(theirs)
    query = {"app_label": "batches", "model_name": "batch", "field_name": "agent"}

    both = staff.get(f"{URL}offers/", query).json()["results"]
    chosen = staff.get(f"{URL}offers/", {**query, "workspace": str(ours.pk)}).json()["results"]

    assert {row["id"] for row in both} == {str(own.pk), str(foreign.pk)}
    assert [row["id"] for row in chosen] == [str(own.pk)]
    assert "batches/upload.js" in staff.get(URL).content.decode()


def test_a_column_of_any_name_is_the_phone_number(staff: Client, ours: Workspace) -> None:
    mapping = "Erreichbar unter = phone_number\n\nVorname=first_name\nNotiz ="
    content = b"Erreichbar unter,Vorname,Notiz\n(202) 555-0186,Ada,secret\n"

    refused = staff.post(URL, form_for(ours, content.replace(b"(202) 555-0186", b"?")))
    staff.post(URL, form_for(ours, content, column_mapping=mapping, default_country="us"))

    assert "The file has no phone column" in refused.content.decode()
    assert ours.batches.get().column_mapping == {
        "Erreichbar unter": "phone_number",
        "Vorname": "first_name",
        "Notiz": None,
    }


def test_a_mapping_that_cannot_be_is_refused_in_words(staff: Client, ours: Workspace) -> None:
    content = b"a,b\n1,2\n"

    pages = [
        staff.post(URL, form_for(ours, content, column_mapping=mapping)).content.decode()
        for mapping in ("Telefon", "a = phone_number\nb = phone_number")
    ]

    assert "Write &quot;Telefon = what it is&quot;." in pages[0]
    assert "only one column can be the phone number" in pages[1]
    assert not ours.batches.exists()


def test_a_form_that_a_script_sent_is_led_on_by_the_script(staff: Client, ours: Workspace) -> None:
    form = form_for(ours, b"phone\n+12025550186\n")

    answer = staff.post(URL, form, headers={"HX-Request": "true"})

    page = f"/admin/batches/batch/{ours.batches.get().pk}/change/"
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (200, page)


def test_zones_and_languages_are_chosen_from_lists(staff: Client, ours: Workspace) -> None:
    agent = make.agent(ours, language="gsw-CH")

    workspace_page = staff.get(page_of(Workspace, ours)).content.decode()
    agent_page = staff.get(page_of(Agent, agent)).content.decode()

    assert '<option value="Europe/Berlin">Europe/Berlin</option>' in workspace_page
    assert '<option value="UTC" selected>UTC</option>' in workspace_page
    assert '<option value="de-DE">German (Germany)</option>' in agent_page
    # A language that the list does not have stays what it is.
    assert '<option value="gsw-CH" selected>gsw-CH</option>' in agent_page
