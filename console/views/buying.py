"""Buying a phone number: searched for in a country, then bought after a look at its price."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from accounts.roles import Role
from console.api import Refused
from console.forms import Form, filled
from console.pages import Page
from console.views.voice import agent_names, answering_choices
from console.wording.words import countries

SEARCHED = ("country", "type", "area_code", "contains")
OFFERS_A_PAGE = 20
TYPE_LABELS = {
    "local": _lazy("Local"),
    "toll_free": _lazy("Toll-free"),
    "mobile": _lazy("Mobile"),
}


class BuyNumberView(Page):
    """Lists what is for sale; with a number in the address, asks before it is bought."""

    template = "voice/buy"
    section = "numbers"
    required_role = Role.ADMIN

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(Form({"country": "US", **request.GET.dict()}))

    def post(self, request: HttpRequest) -> HttpResponse:
        order = filled(request.POST, "phone_number", "label", "inbound_agent_id")
        try:
            number = self.api.post("/phone-numbers/purchase", {"phone_number": "", **order})
        except Refused as refusal:
            form = Form.refused({**request.GET.dict(), **request.POST.dict()}, refusal)
            form.message = form.message or next(iter(form.errors.values()), "")
            return self._show(form, status=422)
        text = _("%(number)s is yours, and calls can be made from it.")
        return self.done(text % {"number": number["phone_number"]}, "number", pk=number["id"])

    def _show(self, form: Form, status: int = 200) -> HttpResponse:
        chosen = form.values.get("number", "")
        offers, prices = self._search(form, chosen) if "type" in form.values else (None, {})
        return self.show(
            status=status,
            form=form,
            chosen=chosen,
            offers=offers,
            price=_price_of(prices, form.values.get("type", "")),
            countries=countries(),
            types=[(code, str(label)) for code, label in TYPE_LABELS.items()],
            agents=answering_choices(agent_names(self.api)) if chosen else [],
            page=offers,
        )

    def _search(self, form: Form, chosen: str) -> tuple[Any, dict[str, Any]]:
        """Return the offers that the form asks for, None for one that is chosen, and prices.

        What the API refuses stands in the form.
        """
        query = {name: form.values.get(name, "") for name in SEARCHED}
        try:
            prices = self.api.get("/phone-numbers/prices", country=query["country"])
            if chosen:
                return None, prices
            page = form.values.get("page", "")
            path = "/phone-numbers/available"
            return self.api.get(path, **query, page=page, page_size=OFFERS_A_PAGE), prices
        except Refused as refusal:
            if refusal.status in (401, 403):
                raise
            refused = Form.refused(form.values, refusal)
            form.errors, form.message = refused.errors, form.message or refused.message
            return None, {}


def _price_of(prices: dict[str, Any], kind: str) -> str:
    """Return what numbers of a type cost a month; "" where that is not known."""
    amount = prices.get("monthly", {}).get(kind)
    if amount is None:
        return ""
    return f"{number_format(amount, decimal_pos=2)} {prices['currency']}"
