"""How the admin is dressed: name, colours and navigation of the control room (django-unfold)."""

from collections.abc import Callable
from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy

# The accent of `static/voiceops/tokens.css`, from its lightest shade to its darkest.
ACCENT_SHADES = {
    "50": "#f1f7fc",
    "100": "#e3f0fa",
    "200": "#c3dff3",
    "300": "#93c7eb",
    "400": "#6db8f2",
    "500": "#4da3e3",
    "600": "#0a5c9e",
    "700": "#084a80",
    "800": "#0a3d66",
    "900": "#0c3150",
    "950": "#061f35",
}


def logo(request: Any) -> str:
    """Return the address of our mark."""
    return static("voiceops/logo.svg")


def _ours(name: str) -> Callable[[Any], str]:
    return lambda request: static(f"voiceops/{name}")


UNFOLD = {
    "SITE_TITLE": "VoiceOps",
    "SITE_HEADER": "VoiceOps",
    "SITE_SUBHEADER": "Control room",
    "SITE_ICON": logo,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": logo}],
    "COLORS": {"primary": ACCENT_SHADES},
    "STYLES": [
        _ours(f"{name}.css") for name in ("tokens", "parts", "forms", "charts", "turns", "control")
    ],
    "SCRIPTS": [_ours("control.js")],
    "LOGIN": {"form": "accounts.staff.login.StaffLoginForm"},
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "navigation": "ops.control.navigation.list_groups",
    },
    "ACCOUNT": {
        "navigation": [
            {"title": "Second factor", "link": reverse_lazy("admin:accounts_secondfactor_mine")}
        ],
    },
}
