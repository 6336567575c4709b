from django.urls import URLPattern, URLResolver, path
from rest_framework.routers import SimpleRouter

from batches.views.batches import BatchViewSet
from batches.views.recipients import RecipientViewSet, RejectedRowViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("batches", BatchViewSet, basename="batch")
person = "batches/<pk>/recipients/<recipient_id>"

urlpatterns: list[URLPattern | URLResolver] = [
    path("batches/<pk>/recipients", RecipientViewSet.as_view({"get": "list", "post": "create"})),
    path(f"{person}/release", RecipientViewSet.as_view({"post": "release"})),
    path(f"{person}/close", RecipientViewSet.as_view({"post": "close"})),
    path("batches/<pk>/rejected", RejectedRowViewSet.as_view({"get": "list"})),
    *router.urls,
]
