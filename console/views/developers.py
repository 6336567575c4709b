"""API keys, and webhooks with their deliveries."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from accounts.roles import Role
from console.api import Refused
from console.forms import Form, filled
from console.pages import Page
from console.wording.events import event_words
from console.wording.words import choices_of
from webhooks.models import EVENTS

WEBHOOK_ORDERS = ("test", "rotate-secret", "enable", "delete")


class DevelopersView(Page):
    """Lists keys and webhooks, and makes them. Whatever is secret is displayed once."""

    template = "developers/page"
    section = "developers"
    required_role_to_post = Role.ADMIN

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(Form())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = Form(request.POST.dict())
        try:
            if request.POST.get("kind") == "webhook":
                return self._show(Form(), made_webhook=self._make_webhook(request))
            return self._show(Form(), made_key=self._make_key(request))
        except Refused as refusal:
            return self._show(Form.refused(form.values, refusal), status=422)

    def _make_key(self, request: HttpRequest) -> Any:
        return self.api.post("/api-keys", {"name": "", **filled(request.POST, "name", "role")})

    def _make_webhook(self, request: HttpRequest) -> Any:
        body: dict[str, Any] = {"url": "", **filled(request.POST, "url", "description")}
        if events := request.POST.getlist("events"):
            body["events"] = events
        return self.api.post("/webhooks", body)

    def _show(self, form: Form, status: int = 200, **made: Any) -> HttpResponse:
        is_admin = self.role >= Role.ADMIN
        return self.show(
            status=status,
            keys=self.api.get("/api-keys")["items"] if is_admin else None,
            webhooks=self.api.get("/webhooks")["items"],
            events=[(event, event_words(event)) for event in EVENTS],
            roles=choices_of("role"),
            form=form,
            **made,
        )


class KeyView(Page):
    """Revokes an API key."""

    required_role = Role.ADMIN
    section = "developers"

    def post(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        try:
            self.api.delete(f"/api-keys/{pk}")
        except Refused as refusal:
            return self.refuse(refusal, "developers")
        return self.done(_("The key is revoked."), "developers")


class WebhookView(Page):
    template = "developers/webhook"
    section = "developers"

    def get(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        return self._show(pk)

    def _show(self, pk: UUID, **made: Any) -> HttpResponse:
        query = {name: self.request.GET.get(name, "") for name in ("status", "page")}
        return self.show(
            webhook=self.api.get(f"/webhooks/{pk}"),
            page=self.api.get(f"/webhooks/{pk}/deliveries", **query),
            query=query,
            statuses=choices_of("delivery"),
            **made,
        )


class WebhookOrderView(WebhookView):
    """Tests, enables, deletes a webhook, or gives it another secret, which is displayed once."""

    required_role = Role.ADMIN

    def get(self, request: HttpRequest, pk: UUID, order: str = "") -> HttpResponse:
        return super().get(request, pk)

    def post(self, request: HttpRequest, pk: UUID, order: str) -> HttpResponse:
        if order not in WEBHOOK_ORDERS:
            return self.error(404)
        try:
            if order == "rotate-secret":
                secret = self.api.post(f"/webhooks/{pk}/rotate-secret")["secret"]
                return self._show(pk, secret=secret)
            return self._carry_out(pk, order)
        except Refused as refusal:
            return self.refuse(refusal, "webhook", pk=pk)

    def _carry_out(self, pk: UUID, order: str) -> HttpResponse:
        if order == "delete":
            self.api.delete(f"/webhooks/{pk}")
            return self.done(_("The webhook is deleted."), "developers")
        if order == "enable":
            self.api.patch(f"/webhooks/{pk}", {"enabled": True})
            return self.done(_("The webhook is on."), "webhook", pk=pk)
        self.api.post(f"/webhooks/{pk}/test")
        return self.done(_("A test event is on its way."), "webhook", pk=pk)


class DeliveryView(Page):
    template = "developers/delivery"
    section = "developers"
    required_role_to_post = Role.ADMIN
    required_role = Role.MANAGER  # the payload has numbers in full

    def get(self, request: HttpRequest, pk: UUID, delivery: UUID) -> HttpResponse:
        row = self.api.get(f"/webhooks/{pk}/deliveries/{delivery}")
        return self.show(webhook=self.api.get(f"/webhooks/{pk}"), delivery=row)

    def post(self, request: HttpRequest, pk: UUID, delivery: UUID) -> HttpResponse:
        try:
            self.api.post(f"/webhooks/{pk}/deliveries/{delivery}/redeliver")
        except Refused as refusal:
            return self.refuse(refusal, "webhook", pk=pk)
        return self.done(_("The event is sent again."), "webhook", pk=pk)
