"""Pages of lists."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import ceil
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import QueryDict
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from voiceops.api.kept_reads import PageBounds, Source, read_page
from voiceops.api.serializers import PageQuery

MAX_KEPT_QUERY = 200  # characters
PositionOf = Callable[[str, UUID], Any]


def validate_query(
    query_class: type[PageQuery], request: Request, *, sortable: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the validated query string. Raises ValidationError (422 in `query`)."""
    text = request.META.get("QUERY_STRING", "")
    if len(text) > MAX_KEPT_QUERY:
        return _validate(query_class, request.query_params, sortable)
    return dict(_validate_kept(query_class, text, tuple(sortable)))


@lru_cache(maxsize=1000)
def _validate_kept(
    query_class: type[PageQuery], text: str, sortable: Sequence[str]
) -> Mapping[str, Any]:
    """What a query string means depends on nothing else, and clients repeat the same few."""
    return _validate(query_class, QueryDict(text), sortable)


def _validate(
    query_class: type[PageQuery], data: Mapping[str, Any], sortable: Sequence[str]
) -> dict[str, Any]:
    serializer = query_class(data=data, context={"sortable": sortable})
    serializer.is_valid(raise_exception=True)
    query: dict[str, Any] = serializer.validated_data
    return query


def is_walk(query: Mapping[str, Any]) -> bool:
    """Whether a list is walked by id instead of read by pages."""
    return "after_id" in query or "before_id" in query


def walk(queryset: Any, query: Mapping[str, Any], column: str, position_of: PositionOf) -> Any:
    """Return the rows after `after_id` in ascending order, or before `before_id` in descending.

    They are ordered by a unique column; `position_of` returns that of a row. Raises ValidationError
    (422 in `query`) for an id that has no place in the list.
    """
    if "after_id" in query:
        position = position_of("after_id", query["after_id"])
        return queryset.filter(**{f"{column}__gt": position}).order_by(column)
    position = position_of("before_id", query["before_id"])
    return queryset.filter(**{f"{column}__lt": position}).order_by(f"-{column}")


def respond_with_page(
    source: Source,
    kind: type[BaseSerializer[Any]],
    query: Mapping[str, Any],
    context: Mapping[str, Any],
) -> Response:
    """Answer with the page that the query asks for. In a walk `page` is null."""
    page, size = (None if is_walk(query) else query["page"]), query["page_size"]
    bounds = PageBounds((page - 1) * size if page else 0, size)
    items, total = read_page(source, kind, bounds, context)
    return Response(_envelope(items, total, page, size))


def _envelope(items: Sequence[Any], total: int, page: int | None, size: int) -> dict[str, Any]:
    return {
        "items": items,
        "total": total,
        "page": page,
        "page_size": size,
        "total_pages": ceil(total / size),
    }


class PagePagination(BasePagination):
    """`{items, total, page, page_size, total_pages}`. A page past the end is empty.

    Lists of a workspace's rows are read by `respond_with_page`; this pages through all others.
    """

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        query = getattr(view, "query", None) or validate_query(PageQuery, request)
        self.page = query["page"]
        self.page_size = query["page_size"]
        self.total = Paginator(queryset, self.page_size).count
        start = (self.page - 1) * self.page_size
        return list(queryset[start : start + self.page_size]) if start < self.total else []

    def get_paginated_response(self, data: Any) -> Response:
        return Response(_envelope(data, self.total, self.page, self.page_size))

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        integer = {"type": "integer"}
        names = ["total", "page", "page_size", "total_pages"]
        properties = {"items": schema, **dict.fromkeys(names, integer)}
        properties["page"] = {"type": ["integer", "null"]}  # null in a walk by id
        return {"type": "object", "required": list(properties), "properties": properties}
