"""A page with a list of rows, as most are."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from console.api import Api, Refused
from console.forms import Form
from console.pages import Page
from voiceops.api.serializers import CAPPED

# Of long lists, of which nobody needs to know exactly how long they are.
CAPPED_TOTAL = {"total": CAPPED}


class RowsPage(Page):
    """Lists what the API has at `path`, with its filters, and may add a row."""

    path: ClassVar[str] = ""
    filters: ClassVar[tuple[str, ...]] = ()
    # What the list is asked for besides, such as a total that counts no further than it must.
    fixed: ClassVar[Mapping[str, str]] = {}

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.rows(Form())

    def rows(self, form: Form, *, status: int = 200, **context: Any) -> HttpResponse:
        """Return the page; `form` is that of a new row."""
        names = (*self.filters, "page")
        query = {name: self.request.GET.get(name, "") for name in names}
        page = self.api.get(self.path, **query, **self.fixed)
        page["is_capped"] = self.fixed.get("total") == CAPPED
        values = {**self.besides(page), **context}
        return self.show(status=status, page=page, query=query, form=form, **values)

    def besides(self, page: Any) -> dict[str, Any]:
        """Return what the page shows besides its rows."""
        return {}


class FilePage(Page):
    """Passes on what the API has at `path` as a file, with the list's filters."""

    path: ClassVar[str] = ""
    filters: ClassVar[tuple[str, ...]] = ()

    def get(self, request: HttpRequest) -> HttpResponseBase:
        return self.api.open(
            self.path, **{name: request.GET.get(name, "") for name in self.filters}
        )


def find(api: Api, path: str) -> Any:
    """Return the body of a GET, or None for what does not exist or is gone."""
    try:
        return api.get(path)
    except Refused as refusal:
        if refusal.status != 404:
            raise
        return None


PAGE_SIZE = 200
# More than anybody finds in a select; browsers jump to what is typed.
MAX_CHOICES = 2_000


def all_of(api: Api, path: str, **query: Any) -> list[Any]:
    """Return every row of a list, page by page, for a select; at most MAX_CHOICES."""
    rows: list[Any] = []
    for page in range(1, MAX_CHOICES // PAGE_SIZE + 1):
        found = api.get(path, page_size=PAGE_SIZE, page=page, **query)
        rows += found["items"]
        if page >= found["total_pages"]:
            break
    return rows
