"""The admin's lists: counted up to a limit, and paged beyond it by the row that was last."""

from collections.abc import Mapping
from typing import Any, cast

from django.core.paginator import EmptyPage, Page, PageNotAnInteger, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.views import ChangeList

from accounts.staff.filters import chips_of
from voiceops.core.ids import uuid7
from voiceops.core.lists import MAX_COUNTED_ROWS

# A filter or a search without an index reads so many of the newest rows of a long table.
MAX_FILTERED_ROWS = 50_000
# Of an address: what is no filter, and what narrows a list by an index.
PAGE_PARAMETERS = frozenset({"q", "o", "all", "after"})
INDEXED_PARAMETERS = frozenset(
    {"workspace", "batch", "batch__id__exact", "agent", "number", "endpoint"}
)
AFTER = "after"  # the ordering column of the row after which the list begins


def newest_of(rows: "QuerySet[Any]", limit: int, column: str = "pk") -> "QuerySet[Any]":
    """Return those of the rows that are among the newest `limit` of their table, by a column."""
    newest = rows.model._default_manager.order_by(f"-{column}").values_list(column, flat=True)
    oldest = newest[limit : limit + 1].first()
    return rows if oldest is None else rows.filter(**{f"{column}__gt": oldest})


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs only
    """Counts no more than MAX_COUNTED_ROWS.

    The newest of a million rows can be shown without counting them all.
    """

    template_name = "admin/lists/pagination.html"

    @cached_property
    def count(self) -> int:
        return min(self._counted, MAX_COUNTED_ROWS)

    @cached_property
    def has_more(self) -> bool:
        """Whether there are more rows than are counted."""
        return self._counted > MAX_COUNTED_ROWS

    @cached_property
    def _counted(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by()[: MAX_COUNTED_ROWS + 1].count()

    def page(self, number: Any) -> Page[Any]:
        """Return the page, or the last one where there are fewer."""
        try:
            return super().page(number)
        except PageNotAnInteger:
            return super().page(1)
        except EmptyPage:
            return super().page(self.num_pages)


class StaffChangeList(ChangeList):  # type: ignore[misc]  # the library is not typed
    """A list whose rows after the counted ones are reached by a link, under the same filters.

    `newest_only` is how many of the newest rows were filtered; None for all of them.
    """

    newest_only: int | None = None

    def get_filters_params(self, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = super().get_filters_params(params)
        found.pop(AFTER, None)
        return found

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> "QuerySet[Any]":
        rows: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        self.newest_only = MAX_FILTERED_ROWS if self._lacks_index() else None
        if self.newest_only is not None:
            rows = newest_of(rows, self.newest_only, self.model_admin.age_column)
        after = request.GET.get(AFTER)
        column = self.paging_column(rows)
        if not after or column is None:
            return rows
        comparison = "lt" if column.startswith("-") else "gt"
        try:
            return rows.filter(**{f"{column.lstrip('-')}__{comparison}": after})
        except (ValueError, TypeError):
            return rows

    def _lacks_index(self) -> bool:
        """Whether a search or a filter in use has no index, and none that is in use has one."""
        names = set(self.params) - PAGE_PARAMETERS
        is_ordered_by_age = (
            self.model._meta.pk.default is uuid7 or self.model_admin.age_column != "pk"
        )
        if not is_ordered_by_age or names & INDEXED_PARAMETERS:
            return False
        # An id is a time: the days of a list are a range of its index.
        is_filtered = any(not name.endswith(("_from", "_to")) for name in names)
        return is_filtered or bool(self.query and not self.model_admin.finds_by_index(self.query))

    @staticmethod
    def paging_column(rows: "QuerySet[Any]") -> str | None:
        """Return the column that orders the rows, if it is one that never repeats."""
        # Django repeats columns, and appends the primary key to the order of a file.
        order = list(dict.fromkeys(str(column) for column in rows.query.order_by))
        is_unique = order in (["-pk"], ["row_number", "-pk"])
        return order[0] if is_unique else None

    def chips(self) -> list[tuple[str, str, str]]:
        """Return the filters in use: title, choice and the address without it."""
        return list(chips_of(self))

    def further_rows(self) -> str | None:
        """Return the query of the page after the counted rows, if this is the last of them."""
        column = self.paging_column(self.queryset)
        is_last = self.page_num >= self.paginator.num_pages
        if column is None or not self.paginator.has_more or not is_last or not self.result_list:
            return None
        value = getattr(list(self.result_list)[-1], column.lstrip("-"))
        return cast(str, self.get_query_string({AFTER: value}, ["p"]))
