"""Pages of a list: the rows, and how many there are in all."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks.peer_fastapi.bodies import Page

Item = TypeVar("Item")
PageNumber = Annotated[int, Query(ge=1)]
PageSize = Annotated[int, Query(ge=1, le=200)]


async def count_rows(session: AsyncSession, *conditions: ColumnElement[bool]) -> int:
    """Count the rows of one table, without the joins of the page."""
    counted = await session.scalar(select(func.count()).where(*conditions))
    return counted or 0


async def read_page(
    session: AsyncSession, query: Select[Any], page: int, page_size: int
) -> Sequence[Any]:
    """The rows of one page; entities if the query selects one, else rows of columns."""
    result = await session.execute(query.limit(page_size).offset((page - 1) * page_size))
    is_entity = len(query.column_descriptions) == 1
    return result.scalars().all() if is_entity else result.all()


def build_page(
    rows: Sequence[Any], build: Callable[[Any], Item], total: int, page: int, page_size: int
) -> Page[Item]:
    return Page(
        items=[build(row) for row in rows],
        total=total,
        page=page,
        page_size=page_size,
        total_pages=-(-total // page_size),
    )
