"""The base of every API view: ordered checks, one workspace's rows, idempotency and rate limits.

    class AgentViewSet(
        ListMixin, RetrieveMixin, DestroyMixin, WorkspaceViewSet
    ):
        model = Agent
        serializer_class = AgentSerializer
        required_roles = {
            "list": Role.MEMBER, "retrieve": Role.MEMBER, "destroy": Role.MANAGER
        }

A view fails at import when it does not name a role for exactly its actions, or redefines a hook
that decides who sees what.
"""
