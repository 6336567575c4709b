"""Lists, which the API answers in pages, as iterators over all of their items."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Generic, TypeVar

from pydantic import BaseModel

from voiceops.requests import Request
from voiceops.transport import AsyncTransport, Transport

Item = TypeVar("Item", bound=BaseModel)
LARGEST_PAGE_SIZE = 200
# The ids before and after every other one: where a walk begins.
ENDS = {
    "after_id": "00000000-0000-0000-0000-000000000000",
    "before_id": "ffffffff-ffff-ffff-ffff-ffffffffffff",
}


class Page(BaseModel, Generic[Item]):
    """One page of a list. `page` is null in a walk by id."""

    items: list[Item]
    total: int
    page: int | None
    page_size: int
    total_pages: int


class PageRequests(Generic[Item]):
    """Which requests walk through a list.

    A list that can be walked by id is: it neither repeats nor skips while rows arrive. `walk` is
    the parameter that does so in the list's own order. A `sort` of the caller's needs pages.
    """

    def __init__(
        self, path: str, query: Mapping[str, object], item: type[Item], walk: str | None
    ) -> None:
        self.path = path
        self.query = {name: value for name, value in query.items() if value is not None}
        self.page_type = Page[item]  # type: ignore[valid-type]
        by_page = {"page", "sort"} & self.query.keys()
        given = next((name for name in ENDS if name in self.query), None)
        self.walk = None if by_page else given or walk

    def of_page(self, number: int, size: int | None) -> Request:
        """Return the request for one page, counted from 1."""
        query = self.query if self.walk in self.query else {**self.query, "page": number}
        return Request("GET", self.path, query if size is None else {**query, "page_size": size})

    def first(self) -> Request:
        """Return the request that a walk begins with."""
        query = {"page_size": LARGEST_PAGE_SIZE, **self.query}
        return Request("GET", self.path, {**self.walk_start(), **query})

    def walk_start(self) -> dict[str, object]:
        return {self.walk: ENDS[self.walk]} if self.walk else {}

    def after(self, page: Page[Item]) -> Request | None:
        """Return the request that follows a page, or None at the end."""
        query = {"page_size": LARGEST_PAGE_SIZE, **self.query}
        if self.walk:
            if len(page.items) < page.page_size:
                return None
            last: object = getattr(page.items[-1], "id")  # noqa: B009  # every item walked has one
            return Request("GET", self.path, {**query, self.walk: last})
        if page.page is None or page.page >= page.total_pages:
            return None
        return Request("GET", self.path, {**query, "page": page.page + 1})


class Pages(Generic[Item]):
    """A list. Iterate over it for every item; `page` fetches one page, with the totals."""

    def __init__(self, transport: Transport, requests: PageRequests[Item]) -> None:
        self._transport = transport
        self._requests = requests

    def page(self, number: int = 1, *, page_size: int | None = None) -> Page[Item]:
        return self._fetch(self._requests.of_page(number, page_size))

    def __iter__(self) -> Iterator[Item]:
        request: Request | None = self._requests.first()
        while request is not None:
            page = self._fetch(request)
            yield from page.items
            request = self._requests.after(page)

    def _fetch(self, request: Request) -> Page[Item]:
        return self._requests.page_type.model_validate_json(self._transport.send(request).content)


class AsyncPages(Generic[Item]):
    """The same for asyncio: `async for`, and `await pages.page()`."""

    def __init__(self, transport: AsyncTransport, requests: PageRequests[Item]) -> None:
        self._transport = transport
        self._requests = requests

    async def page(self, number: int = 1, *, page_size: int | None = None) -> Page[Item]:
        return await self._fetch(self._requests.of_page(number, page_size))

    async def __aiter__(self) -> AsyncIterator[Item]:
        request: Request | None = self._requests.first()
        while request is not None:
            page = await self._fetch(request)
            for item in page.items:
                yield item
            request = self._requests.after(page)

    async def _fetch(self, request: Request) -> Page[Item]:
        response = await self._transport.send(request)
        return self._requests.page_type.model_validate_json(response.content)
