"""Numbers that staff register for a workspace, or buy for it at Twilio."""

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from rest_framework.exceptions import ValidationError
from rest_framework.serializers import BaseSerializer
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import Workspace
from accounts.staff.base import principal_of
from accounts.staff.visibility import limit_rows
from telephony.models import Provider, Transport
from telephony.serializers.numbers import (
    InventoryQuery,
    PhoneNumberSerializer,
    PurchaseSerializer,
)
from telephony.services import purchase
from telephony.services.numbers import NumberOrder, register_number
from voiceops.api.errors import flatten_errors
from voiceops.core.errors import DomainError

MAX_LISTED_OFFERS = 30
OFFERED_TYPES = [("local", "Local"), ("toll_free", "Toll-free"), ("mobile", "Mobile")]


def _text(**options: Any) -> forms.CharField:
    return forms.CharField(widget=UnfoldAdminTextInputWidget, **options)


class NumberForm(forms.Form):
    """What both ways to a number ask, validated by the API's serializer."""

    serializer: ClassVar[type[BaseSerializer[Any]]]
    workspace = forms.ModelChoiceField(Workspace.unscoped.none(), widget=UnfoldAdminSelectWidget)
    label = _text(label="Name", max_length=200, required=False)

    def __init__(self, request: HttpRequest, data: Mapping[str, Any] | None) -> None:
        super().__init__(data or None, initial=request.GET.dict())
        workspaces = self.fields["workspace"]
        assert isinstance(workspaces, forms.ModelChoiceField)
        workspaces.queryset = limit_rows(Workspace.unscoped.order_by("name", "pk"), request.user)
        self.validated: Any = None

    def body(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a client would send."""
        raise NotImplementedError

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if self.errors:
            return values
        context = {"workspace": values["workspace"]}
        self.validated = self.serializer(data=self.body(values), context=context)
        try:
            self.validated.is_valid(raise_exception=True)
        except ValidationError as error:
            for problem in flatten_errors(error.get_full_details(), ()):
                name = str(problem["loc"][-1]) if problem["loc"] else ""
                self.add_error(name if name in self.fields else None, problem["msg"])
        except DomainError as refusal:
            self.add_error(None, str(refusal))
        return values


class RegisterForm(NumberForm):
    """A number at a carrier."""

    serializer = PhoneNumberSerializer
    phone_number = _text(label="Number", help_text="With its country: +1 202 555 0100")
    address = _text(
        label="SIP address of the carrier", help_text="Where calls go: sip.carrier.example"
    )
    transport = forms.ChoiceField(
        choices=[(code, code.upper()) for code in Transport.values],
        initial=Transport.TCP,
        widget=UnfoldAdminSelectWidget,
    )
    auth_username = _text(label="User name at the carrier", required=False)
    auth_password = forms.CharField(
        label="Password at the carrier",
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )
    calls_per_second = forms.FloatField(
        label="Calls a second", initial=1, widget=UnfoldAdminTextInputWidget
    )
    max_concurrent_calls = forms.IntegerField(
        label="Lines",
        initial=10,
        widget=UnfoldAdminTextInputWidget,
        help_text="How many calls at the same time.",
    )
    field_order = ("workspace", "phone_number", "label", "address")

    def body(self, values: Mapping[str, Any]) -> dict[str, Any]:
        names = ("phone_number", "label", "calls_per_second", "max_concurrent_calls")
        sip_names = ("address", "transport", "auth_username", "auth_password")
        sip = {name: values[name] for name in sip_names if values[name]}
        own = {name: values[name] for name in names}
        return {**own, "provider": Provider.SIP, "sip": sip}


class PurchaseForm(NumberForm):
    """A number that Twilio sells."""

    serializer = PurchaseSerializer
    phone_number = _text()

    def body(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: values[name] for name in ("phone_number", "label")}


def register_page(request: HttpRequest) -> HttpResponse:
    """The page that does what POST /phone-numbers does. Raises PermissionDenied."""
    _require_may_add(request)
    form = RegisterForm(request, request.POST)
    if form.is_valid():
        answer = _register(request, form, form.validated.to_order())
        if answer is not None:
            return answer
    return _page(request, "register", "Register a number", form=form)


def buy_page(request: HttpRequest) -> HttpResponse:
    """The page that searches Twilio's numbers, and buys one. Raises PermissionDenied."""
    _require_may_add(request)
    form = PurchaseForm(request, request.POST)
    if form.is_valid():
        values = form.validated.validated_data
        order = NumberOrder(provider=Provider.TWILIO, buy=True, **values)
        answer = _register(request, form, order)
        if answer is not None:
            return answer
    query = {name: str(text) for name, text in request.GET.items() if text}
    context = _offers_of(query) if "country" in query else {}
    context |= {"types": OFFERED_TYPES, "query": query}
    return _page(request, "buy", "Buy a number", form=form, **context)


def _offers_of(query: Mapping[str, str]) -> dict[str, Any]:
    """Return the numbers that Twilio sells now, and what one costs a month."""
    names = ("country", "type", "area_code", "contains")
    # In the form of an address, of which the serializer reads numbers.
    text = urlencode({name: query[name] for name in names if name in query})
    asked = InventoryQuery(data=QueryDict(text))
    try:
        asked.is_valid(raise_exception=True)
    except ValidationError as error:
        [problem, *_] = flatten_errors(error.get_full_details(), ())
        return {"problem": f"{problem['loc'][-1]}: {problem['msg']}".replace("_", " ")}
    values = asked.validated_data
    filters = {name: values[name] for name in names[2:] if values.get(name)}
    try:
        found = purchase.search_numbers(
            country=values["country"], kind=values["type"], filters=filters
        )
        prices = purchase.number_prices(country=values["country"])
    except DomainError as refusal:
        return {"problem": str(refusal)}
    return {
        "offers": found[:MAX_LISTED_OFFERS],
        "price": prices["monthly"].get(values["type"]),
        "currency": prices["currency"],
    }


def _register(request: HttpRequest, form: NumberForm, order: NumberOrder) -> HttpResponse | None:
    """Register the number and go to its page, or return None with the refusal in the form."""
    workspace = form.cleaned_data["workspace"]
    principal = principal_of(request, workspace)
    try:
        number = register_number(workspace=workspace, order=order, principal=principal)
    except DomainError as refusal:
        form.add_error(None, str(refusal))
        return None
    messages.success(request, f"{number.phone_number} is registered.")
    return redirect("admin:telephony_phonenumber_change", number.pk)


def _require_may_add(request: HttpRequest) -> None:
    if not request.user.has_perm("telephony.add_phonenumber"):
        raise PermissionDenied


def _page(request: HttpRequest, name: str, title: str, **context: Any) -> HttpResponse:
    whole = {**admin.site.each_context(request), "title": title, **context}
    return TemplateResponse(request, f"admin/numbers/{name}.html", whole)
