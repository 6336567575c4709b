from collections.abc import Sequence
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from voiceops.api.serializers import PageQuery

DEEP_PAGE_ROWS = 1000


def validate_query(
    query_class: type[PageQuery], request: Request, **context: Any
) -> dict[str, Any]:
    """Return the validated query string. Raises ValidationError (422 in `query`)."""
    serializer = query_class(data=request.query_params, context={"request": request, **context})
    serializer.is_valid(raise_exception=True)
    query: dict[str, Any] = serializer.validated_data
    return query


def walk(queryset: Any, query: dict[str, Any], view: Any) -> Any:
    """Return the rows after `after_id` in ascending order, or before `before_id` in descending.

    Raises ValidationError (422 in `query`) for an id that has no place in the list.
    """
    column = view.walk_column
    position_of = getattr(view, "position_of", lambda name, row_id: row_id)
    if "after_id" in query:
        position = position_of("after_id", query["after_id"])
        return queryset.filter(**{f"{column}__gt": position}).order_by(column)
    position = position_of("before_id", query["before_id"])
    return queryset.filter(**{f"{column}__lt": position}).order_by(f"-{column}")


def _read(rows: Any, view: Any) -> Any:
    serializer = getattr(view, "row_serializer", None)
    return rows if serializer is None else serializer.values_of(rows)


class PagePagination(BasePagination):
    """`{items, total, page, page_size, total_pages}`. A page past the end is empty.

    A list whose query is a `WalkQuery` may be walked by id as well; `page` is null then. Its view
    has `walk_column`, the unique column that its rows are ordered by, and may have
    `position_of(id)`, that column's value of a row, where it is not the id itself.

    A view with a `row_serializer` gets the columns of its rows instead of instances. The total is
    counted before: joins of those columns do not take part in it.
    """

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        query = getattr(view, "query", None) or validate_query(PageQuery, request)
        self.page = query["page"]
        self.page_size = query["page_size"]
        self.total = Paginator(queryset, self.page_size).count
        if "after_id" in query or "before_id" in query:
            self.page = None
            return list(_read(walk(queryset, query, view), view)[: self.page_size])
        start = (self.page - 1) * self.page_size
        if start >= self.total:
            return []
        end = start + self.page_size
        if start >= DEEP_PAGE_ROWS and isinstance(queryset, QuerySet):
            # Skip ids, which an index contains, instead of whole rows.
            ids = list(queryset.values_list("pk", flat=True)[start:end])
            return list(_read(queryset.filter(pk__in=ids), view))
        return list(_read(queryset, view)[start:end])

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {
                "items": data,
                "total": self.total,
                "page": self.page,
                "page_size": self.page_size,
                "total_pages": -(-self.total // self.page_size),
            }
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        integer = {"type": "integer"}
        names = ["total", "page", "page_size", "total_pages"]
        properties = {"items": schema, **dict.fromkeys(names, integer)}
        properties["page"] = {"type": ["integer", "null"]}  # null in a walk by id
        return {"type": "object", "required": list(properties), "properties": properties}
