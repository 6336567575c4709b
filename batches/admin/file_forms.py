"""What the admin's forms with a file of numbers share."""

from collections.abc import Callable

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextInputWidget

from batches.importing.phones import is_known_country
from voiceops.core.errors import DomainError


class ListForm(forms.Form):
    """A file with phone numbers."""

    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget, help_text="CSV or XLSX with a phone column."
    )
    default_country = forms.CharField(
        required=False,
        max_length=2,
        widget=UnfoldAdminTextInputWidget,
        help_text="Two letters, for example US. It applies to numbers without a country code.",
    )

    def clean_default_country(self) -> str | None:
        """Raises ValidationError for an unknown country."""
        country = str(self.cleaned_data["default_country"]).upper()
        if country and not is_known_country(country):
            raise forms.ValidationError("Unknown country code. Use two letters, for example US.")
        return country or None


def form_page(
    request: HttpRequest,
    form: ListForm,
    submit: Callable[..., HttpResponse],
    *,
    title: str,
    button: str,
) -> HttpResponse:
    """Return the form's page, or the response of `submit` when the form was filled in.

    A DomainError of `submit` is displayed beside the file.
    """
    # The services read the file only now, so that what they refuse is shown like a field's error.
    if form.is_valid():
        try:
            return _leave(request, submit(request, **form.cleaned_data))
        except DomainError as refusal:
            form.add_error("file", str(refusal))
    context = {**admin.site.each_context(request), "title": title, "form": form, "button": button}
    return TemplateResponse(request, "admin/batches/list_form.html", context)


def _leave(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Return a redirect in the form in which a script that sent the form follows it."""
    if "HX-Request" in request.headers and isinstance(response, HttpResponseRedirect):
        return HttpResponse(headers={"HX-Redirect": response.url})
    return response
