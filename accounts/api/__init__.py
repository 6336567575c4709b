"""The door of the API: every view judges a request in the documented order, and sees one workspace's rows only.

    class AgentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Deletes, WorkspaceViewSet):
        model = Agent
        serializer_class = AgentSerializer
        access = {"list": Role.MEMBER, "retrieve": Role.MEMBER, "destroy": Role.MANAGER}

A view without a role for exactly its actions, or one that redefines who sees what, fails at import.
"""

from accounts.api.judging import Judged, PublicView
from accounts.api.references import WorkspaceRelatedField, WorkspaceSerializer
from accounts.api.things import missing, parse_id, thing
from accounts.api.viewsets import DELETED, ApiViewSet, Deletes, Patches, WorkspaceViewSet

__all__ = [
    "DELETED",
    "ApiViewSet",
    "Deletes",
    "Judged",
    "Patches",
    "PublicView",
    "WorkspaceRelatedField",
    "WorkspaceSerializer",
    "WorkspaceViewSet",
    "missing",
    "parse_id",
    "thing",
]
