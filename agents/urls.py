from django.urls import URLPattern, URLResolver, path
from rest_framework.routers import SimpleRouter

from agents.views import AgentViewSet, RehearsalViewSet, ScriptsViewSet

router = SimpleRouter(trailing_slash=False)
router.register("agents", AgentViewSet, basename="agent")

rehearsals = "agents/<pk>/rehearsals"

urlpatterns: list[URLPattern | URLResolver] = [
    path("agents/<pk>/scripts", ScriptsViewSet.as_view({"get": "retrieve", "put": "update"})),
    path(rehearsals, RehearsalViewSet.as_view({"get": "list", "post": "create"})),
    path(f"{rehearsals}/<rehearsal_id>", RehearsalViewSet.as_view({"get": "retrieve"})),
    *router.urls,
]
