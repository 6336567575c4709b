"""Times in the admin's lists: by the reader's clock, with the time in UTC on hover."""

from collections.abc import Callable
from datetime import UTC
from functools import cache
from typing import Any

from django.contrib import admin
from django.db import models
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString


# One object for each column: a list compares its columns with those that it may be sorted by.
@cache
def time_column(model: type[models.Model], name: Any) -> Callable[[Any], SafeString | None] | None:
    """Return a column of a list in place of this one; None if it is no time of the table."""
    fields = {field.name: field for field in model._meta.get_fields()}
    field = fields.get(name) if isinstance(name, str) else None
    if not isinstance(field, models.DateTimeField):
        return None

    @admin.display(description=field.verbose_name, ordering=name)
    def column(row: Any) -> SafeString | None:
        instant = getattr(row, name)
        if instant is None:
            return None
        day, _, clock = formats.localize(timezone.localtime(instant)).partition(" ")
        # Where a line is too short, the day stands above the hour.
        return format_html(
            '<time datetime="{}" title="{}"><span class="nowrap">{}</span> '
            '<span class="nowrap">{}</span></time>',
            instant.isoformat(),
            instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
            day,
            clock,
        )

    column.__name__ = name
    return column
