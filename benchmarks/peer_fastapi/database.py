"""The engine, and a session for each request."""

import os
from collections.abc import AsyncIterator
from typing import Annotated

import orjson
from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

CONNECTIONS_PER_PROCESS = 16

engine = create_async_engine(
    # Ours is written as Django reads it.
    os.environ["DATABASE_URL"].replace("postgres://", "postgresql+asyncpg://", 1),
    pool_size=CONNECTIONS_PER_PROCESS,
    json_serializer=lambda value: orjson.dumps(value).decode(),
    json_deserializer=orjson.loads,
)
new_session = async_sessionmaker(engine, expire_on_commit=False)


async def open_session() -> AsyncIterator[AsyncSession]:
    async with new_session() as session:
        yield session


SessionOfRequest = Annotated[AsyncSession, Depends(open_session)]
