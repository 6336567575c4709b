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


class PagePagination(BasePagination):
    """`{items, total, page, page_size, total_pages}`. A page past the end is empty."""

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        query = getattr(view, "query", None) or validate_query(PageQuery, request)
        self.page = query["page"]
        self.page_size = query["page_size"]
        self.total = Paginator(queryset, self.page_size).count
        start = (self.page - 1) * self.page_size
        if start >= self.total:
            return []
        end = start + self.page_size
        if start >= DEEP_PAGE_ROWS and isinstance(queryset, QuerySet):
            # Skip ids, which an index contains, instead of whole rows.
            ids = list(queryset.values_list("pk", flat=True)[start:end])
            return list(queryset.filter(pk__in=ids))
        return list(queryset[start:end])

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
        return {"type": "object", "required": list(properties), "properties": properties}
