from django.urls import URLPattern, URLResolver, path
from rest_framework.routers import SimpleRouter

from accounts import views, workspace_views

router = SimpleRouter(trailing_slash=False)
router.register("workspaces", workspace_views.WorkspacesViewSet, basename="workspace")
router.register(r"workspaces/(?P<workspace_id>[^/]+)/members", workspace_views.MemberViewSet, basename="member")
router.register(
    r"workspaces/(?P<workspace_id>[^/]+)/invitations", workspace_views.InvitationViewSet, basename="invitation"
)
router.register("api-keys", workspace_views.ApiKeyViewSet, basename="api-key")
router.register("audit-log", workspace_views.AuditLogViewSet, basename="audit-entry")

urlpatterns: list[URLPattern | URLResolver] = [
    path("auth/register", views.RegisterView.as_view()),
    path("auth/login", views.LoginView.as_view()),
    path("auth/refresh", views.RefreshView.as_view()),
    path("auth/logout", views.LogoutView.as_view()),
    path("auth/me", views.MeViewSet.as_view({"get": "retrieve", "patch": "partial_update"})),
    path("auth/password/change", views.PasswordChangeViewSet.as_view({"post": "create"})),
    path("auth/password/reset", views.PasswordResetView.as_view()),
    path("auth/password/reset/confirm", views.PasswordResetConfirmView.as_view()),
    path("auth/invitations/accept", views.AcceptInvitationView.as_view()),
    *router.urls,
]
