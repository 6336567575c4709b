from django.urls import URLPattern, URLResolver
from rest_framework.routers import SimpleRouter

from batches.views.batches import BatchViewSet
from batches.views.recipients import RecipientViewSet, RejectedRowViewSet

router = SimpleRouter(trailing_slash=False)
router.register("batches", BatchViewSet, basename="batch")
router.register("batches/(?P<batch_id>[^/]+)/recipients", RecipientViewSet, basename="recipient")
router.register("batches/(?P<batch_id>[^/]+)/rejected", RejectedRowViewSet, basename="rejected-row")

urlpatterns: list[URLPattern | URLResolver] = [*router.urls]
