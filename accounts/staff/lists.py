"""The admin's lists: counted up to a limit, and paged beyond it by the row that was last."""

from collections.abc import Mapping
from typing import Any, cast

from django.core.paginator import EmptyPage, Page, PageNotAnInteger, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.views import ChangeList

from accounts.staff.filters import chips_of

MAX_COUNTED_ROWS = 10_000
AFTER = "after"  # the ordering column of the row after which the list begins


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
    """A list whose rows after the counted ones are reached by a link, under the same filters."""

    def get_filters_params(self, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = super().get_filters_params(params)
        found.pop(AFTER, None)
        return found

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> "QuerySet[Any]":
        rows: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        after = request.GET.get(AFTER)
        column = self.paging_column(rows)
        if not after or column is None:
            return rows
        comparison = "lt" if column.startswith("-") else "gt"
        try:
            return rows.filter(**{f"{column.lstrip('-')}__{comparison}": after})
        except (ValueError, TypeError):
            return rows

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
