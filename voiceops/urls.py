from typing import Any

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.decorators.cache import cache_page
from drf_spectacular.renderers import OpenApiJsonRenderer2
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularRedocView, SpectacularSwaggerSplitView

from voiceops import probes

PAGE: dict[str, Any] = {"authentication_classes": [], "http_method_names": ["get", "head"]}
schema = SpectacularJSONAPIView.as_view(renderer_classes=[OpenApiJsonRenderer2], **PAGE)
swagger = SpectacularSwaggerSplitView.as_view(url_name="openapi", **PAGE)
redoc = SpectacularRedocView.as_view(url_name="openapi", **PAGE)

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("healthz", probes.alive),
    path("readyz", probes.ready),
    path("metrics", probes.metrics),
    path("openapi.json", cache_page(600)(schema), name="openapi"),
    path("docs", swagger),
    path("redoc", redoc),
    path("", include("accounts.urls")),
    path("", include("telephony.urls")),
    path("", include("agents.urls")),
    path("", include("batches.urls")),
    path("", include("batches.mappings.urls")),
    path("", include("batches.suppressions.urls")),
    path("", include("batches.analytics.urls")),
    path("", include("webhooks.urls")),
]
