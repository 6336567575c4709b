from typing import Any

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.decorators.cache import cache_page
from drf_spectacular.renderers import OpenApiJsonRenderer2
from drf_spectacular.views import (
    SpectacularJSONAPIView,
    SpectacularRedocView,
    SpectacularSwaggerSplitView,
)

from ops.checking import health

PAGE: dict[str, Any] = {"authentication_classes": [], "http_method_names": ["get", "head"]}
schema = SpectacularJSONAPIView.as_view(renderer_classes=[OpenApiJsonRenderer2], **PAGE)
swagger = SpectacularSwaggerSplitView.as_view(url_name="openapi", **PAGE)
redoc = SpectacularRedocView.as_view(url_name="openapi", **PAGE)

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("metrics", health.metrics),
    path("openapi.json", cache_page(600)(schema), name="openapi"),
    path("docs", swagger),
    path("redoc", redoc),
    path("", include("accounts.urls")),
    path("", include("telephony.urls")),
    path("", include("agents.urls")),
    path("", include("batches.urls")),
    path("", include("webhooks.urls")),
]
