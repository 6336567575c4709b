from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.decorators.cache import cache_page
from drf_spectacular.renderers import OpenApiJsonRenderer2
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularRedocView, SpectacularSwaggerSplitView

from voiceops import probes

schema = SpectacularJSONAPIView.as_view(authentication_classes=[], renderer_classes=[OpenApiJsonRenderer2])
swagger = SpectacularSwaggerSplitView.as_view(url_name="openapi", authentication_classes=[])
redoc = SpectacularRedocView.as_view(url_name="openapi", authentication_classes=[])

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
