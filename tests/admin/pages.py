"""Addresses, forms and actions of admin pages."""

import re
from typing import Any

from django.db import models
from django.test import Client


def page_of(model: type[models.Model], row: Any = None) -> str:
    base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
    return f"{base}{row.pk}/change/" if row is not None else base


def order(staff: Client, model: type[models.Model], action: str, *rows: Any, **fields: str) -> str:
    """Apply an action to the rows and return the page that follows."""
    chosen = {"action": action, "_selected_action": [str(row.pk) for row in rows], **fields}
    return staff.post(page_of(model), chosen, follow=True).content.decode()


def order_url(row: Any, name: str) -> str:
    """The address of an order that is given on the page of a row."""
    return page_of(type(row), row).replace("change/", f"order/{name}/")


def give(staff: Client, row: Any, name: str, **fields: str) -> str:
    """Give an order on the page of a row; return the page that follows."""
    return staff.post(order_url(row, name), fields, follow=True).content.decode()


def html_of(response: Any) -> str:
    """The page with one space for all that a browser shows as one."""
    return " ".join(response.content.decode().split())


def form_of(html: str) -> dict[str, str]:
    """Return the values a browser would send from a change page, JSON and texts included."""
    found = dict(re.findall(r'<input[^>]*?name="([^"_][^"]*)"[^>]*?value="([^"]*)"', html))
    texts = re.findall(r'<textarea[^>]*?name="([^"]+)"[^>]*>\n?(.*?)</textarea>', html, re.DOTALL)
    chosen = re.findall(
        r'<select[^>]*?name="([^"_][^"]*)"(?:(?!</select>).)*?value="([^"]*)"[^>]*\bselected',
        html,
        re.DOTALL,
    )
    values = (*found.items(), *chosen, *texts)
    return {name: value.replace("&quot;", '"') for name, value in values}
