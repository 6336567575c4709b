from django.urls import URLPattern, URLResolver
from rest_framework.routers import SimpleRouter

from batches.suppressions.views import SuppressionViewSet

router = SimpleRouter(trailing_slash=False)
router.register("suppressions", SuppressionViewSet, basename="suppression")

urlpatterns: list[URLPattern | URLResolver] = [*router.urls]
