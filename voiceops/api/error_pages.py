"""Errors for people: a browser that opens an address gets a page, a program gets JSON."""

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext_lazy as _

from voiceops.api.errors import retry_headers

WORDS = {
    401: (_("You are signed out"), _("Sign in again, then repeat what you did.")),
    403: (_("You may not open this page"), _("Your role in this workspace does not allow it.")),
    404: (_("There is nothing here"), _("The address is wrong, or what it named was removed.")),
    405: (_("This address is for programs"), _("Open the console instead.")),
    503: (_("One moment, please"), _("The database is busy. Try again in a few seconds.")),
}
OTHER_ERROR = (_("Something went wrong"), _("We have written it down. Please try again."))


def wants_page(request: HttpRequest) -> bool:
    """Whether a person's browser opens the address; programs and scripts do not ask for HTML."""
    return "text/html" in request.headers.get("Accept", "")


def error_page(status: int) -> HttpResponse:
    """Return the page of an error. It reads no database, which may be what failed."""
    title, text = WORDS.get(status, OTHER_ERROR)
    page = render_to_string("error.html", {"status": status, "title": title, "text": text})
    return HttpResponse(page, status=status, headers=retry_headers(status))
