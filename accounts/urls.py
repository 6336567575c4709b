from django.urls import URLPattern, URLResolver, path
from rest_framework.routers import SimpleRouter

from accounts.views import account, audit, auth, calling_profiles, members, workspaces

router = SimpleRouter(trailing_slash=False)
router.register("workspaces", workspaces.WorkspacesViewSet, basename="workspace")
router.register(
    r"workspaces/(?P<workspace_id>[^/]+)/members", members.MemberViewSet, basename="member"
)
router.register(
    r"workspaces/(?P<workspace_id>[^/]+)/invitations",
    members.InvitationViewSet,
    basename="invitation",
)
router.register("api-keys", members.ApiKeyViewSet, basename="api-key")
router.register(
    "calling-profiles", calling_profiles.CallingProfileViewSet, basename="calling-profile"
)
router.register("audit-log", audit.AuditLogViewSet, basename="audit-entry")

urlpatterns: list[URLPattern | URLResolver] = [
    path("auth/register", auth.RegisterView.as_view()),
    path("auth/login", auth.LoginView.as_view()),
    path("auth/refresh", auth.RefreshView.as_view()),
    path("auth/logout", auth.LogoutView.as_view()),
    path("auth/me", account.MeViewSet.as_view({"get": "retrieve", "patch": "partial_update"})),
    path("auth/password/change", account.PasswordChangeViewSet.as_view({"post": "create"})),
    path("auth/password/reset", auth.PasswordResetView.as_view()),
    path("auth/password/reset/confirm", auth.PasswordResetConfirmView.as_view()),
    path("auth/invitations/accept", auth.AcceptInvitationView.as_view()),
    *router.urls,
]
