"""The time zone of a page: that of its reader's browser, which a script puts into a cookie."""

from zoneinfo import ZoneInfo

from django.http import HttpRequest

from voiceops.core.time_zones import zone_names

ZONE_COOKIE = "console_timezone"


def reader_zone(request: HttpRequest, default: str) -> ZoneInfo:
    """Return the zone of the reader's browser, or the default where it is not known."""
    name = request.COOKIES.get(ZONE_COOKIE, "")
    return ZoneInfo(name if name in zone_names() else default)
