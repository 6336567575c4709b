"""Pages of a row with a panel above its form: what matters now, and orders that may be given."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache
from rest_framework.exceptions import ValidationError
from rest_framework.serializers import BaseSerializer

from accounts.auth.principal import Principal
from accounts.staff.base import StaffAdmin, principal_of
from voiceops.api.errors import flatten_errors
from voiceops.core.errors import DomainError, Invalid

# Carries an order out through a service; returns what was done in words, or a page of its own.
Order = Callable[[HttpRequest, Any, Principal], str | HttpResponse]


class PanelAdmin(StaffAdmin):
    """Shows `panel_template` above the form, in which `panel` is what `panel_context` returns.

    Each of the `orders` is a POST to an address of its own, `<row>/order/<name>/`, outside of the
    form's transaction, because most ask a provider.
    """

    change_form_outer_before_template = "admin/panels/panel.html"
    panel_template: ClassVar[str] = ""
    orders: ClassVar[Mapping[str, Order]] = {}

    def panel_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return what the panel shows of the row."""
        return {}

    def may_order(self, request: HttpRequest) -> bool:
        """Whether the reader may give the orders."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_order"
        view = self.admin_site.admin_view(self.order_view)
        return [path("<uuid:pk>/order/<str:name>/", view, name=name), *super().get_urls()]

    def order_view(self, request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
        """Carry out an order. Raises PermissionDenied."""
        row = self.get_object(request, str(pk))
        order = self.orders.get(name)
        if request.method != "POST" or row is None or order is None or not self.may_order(request):
            raise PermissionDenied
        page = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        try:
            answer = order(request, row, principal_of(request, row))
        except DomainError as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return redirect(page, pk)
        if isinstance(answer, HttpResponse):
            return answer
        self.message_user(request, answer, messages.SUCCESS)
        return redirect(page, pk)

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Stay on the page: what was saved is mostly ordered next."""
        return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", obj.pk)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponseBase:
        row = self.get_object(request, object_id)
        context = {**(extra_context or {}), "panel_template": self.panel_template}
        context["show_save_and_continue"] = False  # both would stay on the page
        if row is not None and self.has_view_permission(request, row):
            context["panel"] = self.panel_context(request, row)
            context["may_order"] = self.may_order(request)
        page: HttpResponseBase = super().change_view(request, object_id, form_url, context)
        return page


def validate_order(serializer: type[BaseSerializer[Any]], body: Mapping[str, Any]) -> Any:
    """Return what the API's serializer makes of an order's fields. Raises Invalid."""
    order = serializer(data=dict(body))
    try:
        order.is_valid(raise_exception=True)
    except ValidationError as error:
        [problem, *_] = flatten_errors(error.get_full_details(), ())
        place = ".".join(map(str, problem["loc"])).replace("_", " ")
        raise Invalid(f"{place}: {problem['msg']}".removeprefix(": ")) from error
    return order.validated_data


@never_cache
def secret_page(
    request: HttpRequest, *, title: str, text: str, secret: str, then: str
) -> HttpResponse:
    """Display a secret that cannot be read again; `then` is the page after it."""
    context = {**admin.site.each_context(request), "title": title, "text": text}
    context |= {"secret": secret, "then": then}
    return TemplateResponse(request, "admin/secret.html", context)
