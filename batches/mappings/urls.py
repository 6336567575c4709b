from django.urls import URLPattern, URLResolver
from rest_framework.routers import SimpleRouter

from batches.mappings.views import SavedMappingViewSet

router = SimpleRouter(trailing_slash=False)
router.register("column-mappings", SavedMappingViewSet, basename="column-mapping")

urlpatterns: list[URLPattern | URLResolver] = [*router.urls]
