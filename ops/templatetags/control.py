"""How pages of the control room are titled."""

from typing import Any

from django import template
from django.apps import apps
from django.utils.text import capfirst

from ops.control.navigation import LINKS

register = template.Library()


@register.filter
def page_title(title: Any) -> str:
    """A list by its name in the navigation; anything else with a capital, but for addresses."""
    text = str(title)
    return _names_of_lists().get(text) or (text if "://" in text else capfirst(text))


def _names_of_lists() -> dict[str, str]:
    entries = [entry for _title, entries in LINKS for entry in entries]
    return {
        str(apps.get_model(entry.table)._meta.verbose_name_plural): entry.title
        for entry in entries
        if entry.table and not entry.page and not entry.query
    }
