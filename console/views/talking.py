"""A test call from the browser: the reader talks with an agent, without a telephone."""

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse

from accounts.roles import Role
from console.api import Refused
from console.forms import refusal_text
from console.pages import Page
from console.views.voice import variables_of
from voiceops.api.security_headers import allow_connections

LIVEKIT_CLOUD = "livekit.cloud"


class TalkView(Page):
    """The page, and the order that opens the call.

    The token opens one room, for whoever ordered it: it is in the answer alone, never in an address
    or a page.
    """

    template = "voice/talk"
    section = "agents"
    required_role = Role.MANAGER

    def get(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        agent = self.api.get(f"/agents/{pk}")
        versions = self.api.get(f"/agents/{pk}/versions", page_size=1)["items"]
        response = self.show(
            agent=agent,
            published=versions[0] if versions else None,
            # The sandbox's calls are played, and carry no sound to a browser.
            is_silent=settings.USES_SANDBOX,
        )
        allow_connections(response, livekit_sources(settings.LIVEKIT_URL))
        return response

    def post(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        body: dict[str, Any] = {"agent_id": str(pk), "variables": variables_of(request)}
        try:
            opened = self.api.post("/calls/web", body)
        except Refused as refusal:
            return JsonResponse({"problem": refusal_text(refusal)}, status=422)
        call_url = reverse("console:call", args=[opened["call_id"]])
        joining = {name: opened[name] for name in ("url", "token")}
        return JsonResponse({**joining, "call_url": call_url})


def livekit_sources(livekit_url: str) -> list[str]:
    """Return where the browser's client connects to: LiveKit, by a web socket and by requests."""
    host = urlsplit(livekit_url).netloc
    is_secure = livekit_url.startswith(("https", "wss"))
    schemes = ("wss", "https") if is_secure else ("ws", "http")
    hosts = [host]
    if host.endswith(f".{LIVEKIT_CLOUD}"):
        hosts.append(f"*.{LIVEKIT_CLOUD}")  # which leads clients to a region near them
    return [f"{scheme}://{each}" for each in hosts for scheme in schemes]
