from typing import Any

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerSplitView

from ops.checking import health
from voiceops.api.description import describe_api
from voiceops.api.llms_text import describe_for_models
from voiceops.api.routes import RoutesByFirstPart

PAGE: dict[str, Any] = {"authentication_classes": [], "http_method_names": ["get", "head"]}
swagger = SpectacularSwaggerSplitView.as_view(url_name="openapi", **PAGE)
redoc = SpectacularRedocView.as_view(url_name="openapi", **PAGE)

urlpatterns = [
    RoutesByFirstPart(
        [
            path("admin/", admin.site.urls),
            path("healthz", health.alive),
            path("readyz", health.ready),
            path("metrics", health.metrics),
            path("openapi.json", describe_api, name="openapi"),
            path("llms.txt", describe_for_models),
            path("docs", swagger),
            path("redoc", redoc),
            path("", include("console.urls")),
            path("", include("accounts.urls")),
            path("", include("telephony.urls")),
            path("", include("agents.urls")),
            path("", include("batches.urls")),
            path("", include("webhooks.urls")),
        ]
    )
]
