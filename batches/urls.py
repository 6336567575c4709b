from django.urls import URLPattern, URLResolver, path
from rest_framework.routers import SimpleRouter

from batches.views.analytics import AnalyticsViewSet
from batches.views.batches import BatchViewSet
from batches.views.callbacks import CallbackViewSet
from batches.views.column_mappings import SavedMappingViewSet
from batches.views.downloads import DownloadViewSet
from batches.views.listed_recipients import ListedRecipientViewSet
from batches.views.lists import PreviewViewSet
from batches.views.recipients import ReasonViewSet, RecipientViewSet, RejectedRowViewSet
from batches.views.saved_reports import SavedReportViewSet
from batches.views.suppressions import SuppressionImportViewSet, SuppressionViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
# Before batches/<pk>, which "preview" would match as well.
router.register("batches", PreviewViewSet, basename="batch-list")
router.register("batches", BatchViewSet, basename="batch")
router.register("batches", DownloadViewSet, basename="batch-file")
recipient = "batches/<pk>/recipients/<recipient_id>"

# Their ids are matched by an expression, as DRF does by default.
others = SimpleRouter(trailing_slash=False)
others.register("callbacks", CallbackViewSet, basename="callback")
others.register("column-mappings", SavedMappingViewSet, basename="column-mapping")
others.register("saved-reports", SavedReportViewSet, basename="saved-report")
others.register("suppressions/imports", SuppressionImportViewSet, basename="suppression-import")
others.register("suppressions", SuppressionViewSet, basename="suppression")
others.register("analytics", AnalyticsViewSet, basename="analytics")

urlpatterns: list[URLPattern | URLResolver] = [
    path("batches/<pk>/recipients", RecipientViewSet.as_view({"get": "list", "post": "create"})),
    path(f"{recipient}/release", RecipientViewSet.as_view({"post": "release"})),
    path(f"{recipient}/close", RecipientViewSet.as_view({"post": "close"})),
    path("recipients", ListedRecipientViewSet.as_view({"get": "list"})),
    path("batches/<pk>/reasons", ReasonViewSet.as_view({"get": "list"})),
    path("batches/<pk>/rejected", RejectedRowViewSet.as_view({"get": "list"})),
    *router.urls,
    *others.urls,
]
