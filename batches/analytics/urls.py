from django.urls import URLPattern, URLResolver
from rest_framework.routers import SimpleRouter

from batches.analytics.views import AnalyticsViewSet

router = SimpleRouter(trailing_slash=False)
router.register("analytics", AnalyticsViewSet, basename="analytics")

urlpatterns: list[URLPattern | URLResolver] = [*router.urls]
