"""Bases of the generated classes, one for each part of the API."""

from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import quote

from pydantic import BaseModel

from voiceops.pages import AsyncPages, PageRequests, Pages
from voiceops.requests import Request
from voiceops.transport import AsyncTransport, Transport

Model = TypeVar("Model", bound=BaseModel)


def path(template: str, **ids: object) -> str:
    """Return the path with its ids, whatever characters they have."""
    return template.format_map({name: quote(str(each), safe="") for name, each in ids.items()})


class Resource:
    """Sends the requests of one part of the API."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _send(self, request: Request, model: type[Model]) -> Model:
        return model.model_validate_json(self._transport.send(request).content)

    def _read(self, request: Request) -> bytes:
        return self._transport.send(request).content

    def _pages(
        self, path: str, query: Mapping[str, object], item: type[Model], walk: str | None = None
    ) -> Pages[Model]:
        return Pages(self._transport, PageRequests(path, query, item, walk))


class AsyncResource:
    """The same for asyncio."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def _send(self, request: Request, model: type[Model]) -> Model:
        return model.model_validate_json((await self._transport.send(request)).content)

    async def _read(self, request: Request) -> bytes:
        return (await self._transport.send(request)).content

    def _pages(
        self, path: str, query: Mapping[str, object], item: type[Model], walk: str | None = None
    ) -> AsyncPages[Model]:
        return AsyncPages(self._transport, PageRequests(path, query, item, walk))
