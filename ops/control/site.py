"""The admin's site: its first page is the overview, and it has pages that are no tables."""

import time
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.sites import UnfoldAdminSite

from ops.control import contact, new_batch, overview, review, search, wall
from voiceops.api.reader_zone import reader_zone

RESULTS_PER_PAGE = 100
NEW_BATCH_PATH = "batches/new/<uuid:workspace>"


class ControlRoomSite(UnfoldAdminSite):  # type: ignore[misc]  # the library is not typed
    index_title = "Overview"
    index_template = "admin/control/overview.html"

    def extra_urls(self) -> list[URLPattern]:
        """Return the pages beside the tables."""
        pages = {
            "overview_part": ("overview/", overview.overview_part),
            "readiness": ("readiness/", overview.readiness_part),
            "contact": ("person/<str:kind>/<uuid:pk>/", contact.contact_page),
            "review": ("review/", review.review_page),
            "wall_open": ("wall/open/", wall.open_wall),
            "append": ("batches/append/<uuid:pk>/", new_batch.RoomAppendView.as_view()),
            "new_batch_for": ("batches/new/", new_batch.choose_workspace),
            "new_batch": (f"{NEW_BATCH_PATH}/", new_batch.RoomNewBatchView.as_view()),
            "new_batch_trial": (f"{NEW_BATCH_PATH}/trial/", new_batch.RoomTrialCallView.as_view()),
            "new_batch_step": (f"{NEW_BATCH_PATH}/<str:step>/", new_batch.RoomStepView.as_view()),
        }
        # These have a check of their own.
        open_pages = [
            path("wall/", wall.wall_page, name="wall"),
            path("wall/part/", wall.wall_part, name="wall_part"),
        ]
        return [
            *(
                path(route, self.admin_view(view), name=name)
                for name, (route, view) in pages.items()
            ),
            *open_pages,
        ]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Return what every page needs, with the zone in which it displays times."""
        context: dict[str, Any] = super().each_context(request)
        return {**context, "zone": reader_zone(request, "UTC")}

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        context = {**overview.overview_page_context(request), **(extra_context or {})}
        page: TemplateResponse = super().index(request, context)
        return page

    def search(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Answer the command palette.

        Unlike the theme's own search, what is found is kept nowhere: it has names of people.
        """
        began_at = time.monotonic()
        text = request.GET.get("s", "").strip()
        if not text:
            return HttpResponse()
        tables = self._search_apps(self.get_app_list(request), text.lower())
        results = Paginator([*search.find(request, text), *tables], RESULTS_PER_PAGE)
        context = {
            "page_obj": results,
            "results": results.get_page(1),
            "page_counter": 0,
            "execution_time": time.monotonic() - began_at,
        }
        template = "unfold/helpers/command_results.html"
        return TemplateResponse(request, template, context, headers={"HX-Trigger": "search"})
