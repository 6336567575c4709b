"""Who asks: an access token of ours, checked with one query."""

import os
import uuid
from dataclasses import dataclass
from typing import Annotated

import jwt
from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import and_, select

from benchmarks.peer_fastapi.database import SessionOfRequest
from benchmarks.peer_fastapi.tables import LoginSession, Membership, User, Workspace, utc_now

SECRET = os.environ["JWT_API_SECRET"]
MANAGER = 20

bearer = HTTPBearer()


@dataclass(frozen=True)
class Caller:
    """A member of a workspace."""

    workspace_id: uuid.UUID
    max_calls_per_day: int | None
    user_id: uuid.UUID
    email: str
    role: int
    ip: str | None

    def require_manager(self) -> None:
        """Raises HTTPException (403)."""
        if self.role < MANAGER:
            raise HTTPException(403, "Insufficient permissions")


async def authenticate(
    request: Request,
    session: SessionOfRequest,
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)],
) -> Caller:
    """Raises HTTPException (401)."""
    try:
        claims = jwt.decode(credentials.credentials, SECRET, ["HS256"])
        user_id, session_id = uuid.UUID(claims["sub"]), uuid.UUID(claims["sid"])
    except (jwt.InvalidTokenError, KeyError, ValueError) as error:
        raise HTTPException(401, "Invalid or missing token") from error
    query = (
        select(
            Membership.workspace_id,
            Workspace.max_calls_per_day,
            Membership.user_id,
            User.email,
            Membership.role,
        )
        .join(User, User.id == Membership.user_id)
        .join(Workspace, Workspace.id == Membership.workspace_id)
        .join(LoginSession, and_(LoginSession.user_id == User.id, LoginSession.id == session_id))
        .where(
            Membership.user_id == user_id,
            Membership.workspace_id == User.default_workspace_id,
            User.is_active,
            LoginSession.revoked_at.is_(None),
            LoginSession.expires_at > utc_now(),
        )
    )
    row = (await session.execute(query)).first()
    if row is None or claims.get("typ") != "access":
        raise HTTPException(401, "Invalid or missing token")
    return Caller(*row, ip=request.client.host if request.client else None)


CallerOfRequest = Annotated[Caller, Depends(authenticate)]
