from collections.abc import Sequence
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from voiceops.api.serializers import PageQuery

DEEP_PAGE_ROWS = 1000  # rows skipped


def validate_query(kind: type[PageQuery], request: Request, **context: Any) -> dict[str, Any]:
    """The query string through `kind`, every mistake at once. Raises ValidationError (422, `loc` in
    `query`).
    """
    serializer = kind(data=request.query_params, context={"request": request, **context})
    serializer.is_valid(raise_exception=True)
    query: dict[str, Any] = serializer.validated_data
    return query


class PagePagination(BasePagination):
    """`{items, total, page, page_size, total_pages}`; a page past the end is empty and tells the
    true totals.
    """

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        query = getattr(view, "query", None) or validate_query(PageQuery, request)
        self.page, self.page_size = query["page"], query["page_size"]
        pages = Paginator(queryset, self.page_size)
        self.total = pages.count
        start = (self.page - 1) * self.page_size
        if start >= self.total:
            return []
        if start >= DEEP_PAGE_ROWS and isinstance(
            queryset, QuerySet
        ):  # skip ids, which an index holds, rather than whole rows
            ids = list(queryset.values_list("pk", flat=True)[start : start + self.page_size])
            return list(queryset.filter(pk__in=ids))
        return list(queryset[start : start + self.page_size])

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
        whole = {"type": "integer"}
        names = ["total", "page", "page_size", "total_pages"]
        properties = {"items": schema, **dict.fromkeys(names, whole)}
        return {"type": "object", "required": list(properties), "properties": properties}
