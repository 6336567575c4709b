"""Filters of the admin's lists, none of which reads a whole table."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar, cast

from django import forms
from django.contrib.admin import FieldListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import DropdownFilter, RangeDateFilter
from unfold.widgets import INPUT_CLASSES

from accounts.models import Workspace
from accounts.staff.visibility import limit_rows
from voiceops.api.fields import UUID_PATTERN
from voiceops.core.ids import lowest_id, uuid7

MAX_OFFERED_ROWS = 200
RECENT_ROWS = 5000
# Rows are written at most that long before or after the time that they tell.
MAX_WRITE_DELAY = timedelta(days=1)

Choices = Sequence[tuple[str, str]]
ListFilter = type[DropdownFilter]


class DatesForm(forms.Form):
    """Two days, for which browsers have a calendar of their own."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for end, label in (("from", "First day"), ("to", "Last day")):
            attrs = {"type": "date", "aria-label": label, "class": " ".join(INPUT_CLASSES)}
            self.fields[f"{name}_{end}"] = forms.DateField(
                required=False, widget=forms.DateInput(attrs=attrs)
            )


class DatesFilter(RangeDateFilter):  # type: ignore[misc]  # the library is not typed
    """The first and the last day, in the reader's zone.

    Ids sort by the time of their creation, so their index finds the rows.
    """

    form_class = DatesForm

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, last = self._day("from"), self._day("to")
        has_times = queryset.model._meta.pk.default is uuid7
        if first is not None:
            queryset = queryset.filter(**{f"{self.field_path}__gte": first})
            if has_times:
                queryset = queryset.filter(pk__gte=lowest_id(first, later=-MAX_WRITE_DELAY))
        if last is not None:
            end = last + timedelta(days=1)
            queryset = queryset.filter(**{f"{self.field_path}__lt": end})
            if has_times:
                queryset = queryset.filter(pk__lt=lowest_id(end, later=MAX_WRITE_DELAY))
        return queryset

    def chip(self) -> str | None:
        """Return what the list is limited to, in words."""
        first, last = self._day("from"), self._day("to")
        words = [f"from {first:%d %b %Y}" if first else "", f"to {last:%d %b %Y}" if last else ""]
        return " ".join(filter(None, words)) or None

    def _day(self, which: str) -> datetime | None:
        text = self.used_parameters.get(f"{self.field_path}_{which}")
        try:
            day = date.fromisoformat(str(text))
        except ValueError:
            return None
        return datetime.combine(day, time(), timezone.get_current_timezone())


class ChipFilter(DropdownFilter):  # type: ignore[misc]  # the library is not typed
    """A labelled select, and what is chosen in it as a chip above the list."""

    column: ClassVar[str]

    def has_output(self) -> bool:
        return True

    def chip(self) -> str | None:
        """Return the choice in words."""
        chosen = self.value()
        return str(dict(self.lookup_choices).get(chosen, chosen)) if chosen else None

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        return queryset.filter(**{self.column: chosen}) if chosen else queryset


def choices_filter(column: str, choices: Choices, title: str | None = None) -> ListFilter:
    """Return a filter with fixed choices for a column that has none of its own."""

    class Filter(ChipFilter):
        parameter_name = f"{column}__exact"

        def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
            return choices

    Filter.column, Filter.title = column, title or column.replace("_", " ")
    return Filter


def recent_values_filter(column: str, title: str | None = None) -> ListFilter:
    """Return a filter that offers the values of the newest rows.

    The values of all rows would take a scan of the table for every view of the list.
    """

    class Filter(ChipFilter):
        parameter_name = f"{column}__exact"

        def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
            rows = model_admin.get_queryset(request).order_by(*model_admin.ordering)
            found = set(rows.values_list(column, flat=True)[:RECENT_ROWS]) - {None, ""}
            return [(value, value) for value in sorted(map(str, found))]

    Filter.column, Filter.title = column, title or column.replace("_", " ")
    return Filter


def row_filter(
    parameter: str,
    title: str,
    rows: Callable[[], QuerySet[Any]],
    *,
    label: Callable[[Any], str] = str,
    narrow: "Callable[[QuerySet[Any], str], QuerySet[Any]] | None" = None,
) -> ListFilter:
    """Return a filter by a row of another table, of which the first 200 are offered.

    `?parameter=<id>` finds any of them. `narrow` is for a filter that needs more than the column.
    """

    class Filter(ChipFilter):
        parameter_name = parameter

        def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
            visible = limit_rows(rows(), request.user)
            offered = {str(row.pk): label(row) for row in visible[:MAX_OFFERED_ROWS]}
            chosen = request.GET.get(parameter, "")
            if UUID_PATTERN.fullmatch(chosen) and chosen not in offered:
                offered |= {str(row.pk): label(row) for row in visible.filter(pk=chosen)}
            return list(offered.items())

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            chosen = self.value()
            if not chosen:
                return queryset
            if not UUID_PATTERN.fullmatch(chosen):
                return queryset.none()
            if narrow is not None:
                return narrow(queryset, chosen)
            return queryset.filter(**{self.column: chosen})

    Filter.column, Filter.title = parameter, title
    return Filter


def dates(column: str = "created_at") -> tuple[str, type[FieldListFilter]]:
    """Return a filter by the days of a column."""
    return column, cast("type[FieldListFilter]", DatesFilter)


BY_WORKSPACE = row_filter(
    "workspace",
    "workspace",
    lambda: Workspace.unscoped.order_by("name", "pk"),
    label=lambda workspace: workspace.name,
)


def chips_of(page: Any) -> Iterator[tuple[str, str, str]]:
    """Yield title, choice and the address without it, for every filter in use on a list."""
    for spec in page.filter_specs:
        names = spec.expected_parameters()
        if not any(name in page.filter_params for name in names if name):
            continue
        text = spec.chip() if hasattr(spec, "chip") else _chosen(spec, page)
        if text:
            yield str(spec.title), text, page.get_query_string(remove=[*names, "after"])


def _chosen(spec: Any, page: Any) -> str | None:
    """Return the choice of one of Django's own filters."""
    choices = [choice for choice in spec.choices(page) if choice.get("selected")]
    return str(choices[0]["display"]) if choices else None
