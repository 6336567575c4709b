"""People by their number, callbacks, and the do-not-call list."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from accounts.roles import Role
from accounts.staff.number_search import possible_numbers
from console.api import Refused
from console.forms import Form, filled
from console.pages import Page, sees_numbers
from console.templatetags.console import count
from console.views.new_batch import ListPage, list_of
from console.views.rows import CAPPED_TOTAL, FilePage, RowsPage, all_of
from console.wording.words import choices_of, countries
from voiceops.core.errors import Invalid
from voiceops.core.phone_numbers import to_e164

MIN_SEARCHED_DIGITS = 4
MAX_ROWS = 100
MAX_LISTS = 20
MAX_COUNTRIES_TRIED = 3


class ContactSearchView(Page):
    """Finds a person by a number in any spelling, its last digits, or what was spoken."""

    template = "contacts/search"
    section = "people"

    def get(self, request: HttpRequest) -> HttpResponse:
        text = request.GET.get("q", "").strip()
        if not text:
            return self.show(query="", calls=None)
        try:
            return redirect("console:person", number=whole_number(text))
        except Invalid:
            pass  # not a whole number with its country
        terms = searched_terms(text)
        for term in terms:
            found = self.api.get("/calls", search=term, page_size=MAX_ROWS, **CAPPED_TOTAL)
            if found["total"]:
                break
        numbers = numbers_of(found["items"])
        if len(numbers) == 1 and possible_numbers(text) and sees_numbers(self.principal):
            return redirect("console:person", number=numbers[0]["number"])
        return self.show(query=text, calls=found, numbers=numbers)


def whole_number(text: str) -> str:
    """Return a number that was written with its country, in E.164. Raises Invalid for others."""
    spelling = text.removeprefix("tel:").strip()
    return to_e164(f"+{spelling[2:]}" if spelling.startswith("00") else spelling)


def searched_terms(text: str) -> list[str]:
    """Return what to look for in calls, one after the other: digits of a number, or words."""
    digits = "".join(character for character in text if character.isdecimal())
    if len(digits) < MIN_SEARCHED_DIGITS or any(map(str.isalpha, text)):
        return [text]
    # Within a country most numbers are written with a zero that is not dialled from abroad.
    national = digits.lstrip("0") if possible_numbers(text) else digits
    # Others have another one, such as Russia's eight.
    others = [number[1:] for number in possible_numbers(text) if national not in number]
    return [national, *others[:MAX_COUNTRIES_TRIED]]


class ContactView(Page):
    template = "contacts/person"
    section = "people"
    required_role_to_post = Role.MANAGER
    needs_numbers = True  # the address names it

    def get(self, request: HttpRequest, number: str) -> HttpResponse:
        return self._show(number, Form())

    def post(self, request: HttpRequest, number: str) -> HttpResponse:
        if "agent_id" in request.POST:
            return self._call(request, number)
        body = {"phone_number": number, **filled(request.POST, "reason")}
        try:
            self.api.post("/suppressions", body)
        except Refused as refusal:
            return self._show(number, Form.refused(request.POST.dict(), refusal), status=422)
        return self.done(_("This number will not be called."), "person", number=number)

    def _call(self, request: HttpRequest, number: str) -> HttpResponse:
        """Call the person with what is known of them."""
        variables = variables_of(self._calls_with(number), self._lists_with(number))
        order = {"to": number, "agent_id": request.POST["agent_id"], "variables": variables}
        try:
            call = self.api.post("/calls", order)
        except Refused as refusal:
            return self.refuse(refusal, "person", number=number)
        return redirect("console:call", pk=call["id"])

    def _calls_with(self, number: str) -> list[dict[str, Any]]:
        calls = [
            *self.api.get("/calls", to=number, page_size=MAX_ROWS, **CAPPED_TOTAL)["items"],
            *self.api.get("/calls", page_size=MAX_ROWS, **{"from": number}, **CAPPED_TOTAL)[
                "items"
            ],
        ]
        return sorted(calls, key=lambda call: str(call["created_at"]), reverse=True)

    def _show(self, number: str, form: Form, status: int = 200) -> HttpResponse:
        calls = self._calls_with(number)
        suppressed = self.api.get("/suppressions", search=number.lstrip("+"), active="true")
        lists = self._lists_with(number)
        agents = [agent for agent in all_of(self.api, "/agents") if agent["published_version"]]
        return self.show(
            status=status,
            person=number,
            calls=calls,
            variables=variables_of(calls, lists),
            agents=[(agent["id"], agent["name"]) for agent in agents],
            lists=lists,
            next_call=soonest_call(lists),
            suppressed=[row for row in suppressed["items"] if row["phone_number"] == number],
            form=form,
        )

    def _lists_with(self, number: str) -> list[dict[str, Any]]:
        """Return the rows of lists with this number; none for what is no whole number."""
        try:
            rows = self.api.get("/recipients", phone_number=number, page_size=MAX_LISTS)
        except Refused as refusal:
            if refusal.status not in (400, 422):
                raise
            return []
        items: list[dict[str, Any]] = rows["items"]
        return items


def variables_of(calls: list[dict[str, Any]], lists: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the last call, or else the last list, says of a person."""
    known: Iterator[dict[str, Any]] = (row["variables"] for row in [*calls, *lists])
    return next(filter(None, known), {})


def soonest_call(lists: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the first call that is planned, with the row of its list; None if none is."""
    planned = [row for row in lists if row["next_call"] and row["next_call"]["at"]]
    return min(planned, key=lambda row: str(row["next_call"]["at"]), default=None)


class CallbacksView(RowsPage):
    template = "contacts/callbacks"
    section = "callbacks"
    path = "/callbacks"
    filters = ("status",)

    def besides(self, page: Any) -> dict[str, Any]:
        return {"statuses": choices_of("callback")}


class CallbackView(Page):
    """Moves a callback to another time, or cancels it."""

    required_role = Role.MANAGER
    section = "callbacks"

    def post(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        try:
            if "cancel" in request.POST:
                self.api.delete(f"/callbacks/{pk}")
                return self.done(_("The callback is cancelled."), "callbacks")
            self.api.patch(f"/callbacks/{pk}", {"at": request.POST.get("at", "")})
        except Refused as refusal:
            return self.refuse(refusal, "callbacks")
        return self.done(_("The callback is moved."), "callbacks")


class DoNotCallView(RowsPage):
    template = "contacts/do_not_call"
    section = "do-not-call"
    required_role_to_post = Role.MANAGER
    path = "/suppressions"
    filters = ("search", "source")

    def besides(self, page: Any) -> dict[str, Any]:
        return {
            "sources": choices_of("source"),
            "countries": [("", _("Numbers are written with their country")), *countries()],
        }

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            self.api.post("/suppressions", filled(request.POST, "phone_number", "reason"))
        except Refused as refusal:
            return self.rows(Form.refused(request.POST.dict(), refusal), status=422)
        return self.done(_("This number will not be called."), "do-not-call")


class DoNotCallFileView(FilePage):
    section = "do-not-call"
    needs_numbers = True
    path = "/suppressions/export.csv"
    filters = DoNotCallView.filters


class LiftView(Page):
    """Takes a number off the do-not-call list."""

    required_role = Role.MANAGER
    section = "do-not-call"

    def post(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        try:
            self.api.delete(f"/suppressions/{pk}")
        except Refused as refusal:
            return self.refuse(refusal, "do-not-call")
        return self.done(_("This number may be called again."), "do-not-call")


class DoNotCallImportView(ListPage):
    section = "do-not-call"

    def post(self, request: HttpRequest) -> HttpResponse:
        fields = filled(request.POST, "default_country", "reason")
        try:
            result = self.api.send_list("/suppressions/import", fields, list_of(request))
        except Refused as refusal:
            return self.refuse(refusal, "do-not-call")
        if "added" not in result:
            return self.done(_("The list is being read."), "do-not-call")
        text = _("%(added)s numbers added, %(already)s were there, %(refused)s rows refused.")
        amounts = {name: count(result[name]) for name in ("added", "already")}
        refused = count(result["rejected_count"])
        return self.done(text % {**amounts, "refused": refused}, "do-not-call")


def numbers_of(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the other side of each call, once, with its latest call."""
    found: dict[str, dict[str, Any]] = {}
    for call in calls:
        other = call["from"] if call["direction"] == "inbound" else call["to"]
        found.setdefault(other, {"number": other, "call": call})
    return list(found.values())
