"""The door of the API: every view judges a request in the documented order, and sees one
workspace's rows only.

    class AgentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Deletes, WorkspaceViewSet):
        model = Agent
        serializer_class = AgentSerializer
        required_roles = {"list": Role.MEMBER, "retrieve": Role.MEMBER, "destroy": Role.MANAGER}

A view without a role for exactly its actions, or one that redefines who sees what, fails at import.
"""
