from django.urls import URLPattern, URLResolver, path

from console.views import doors, home, new_account

app_name = "console"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.HomeView.as_view(), name="home"),
    # Below /auth, where browsers send the refresh token.
    path("auth/continue", doors.ContinueView.as_view(), name="continue"),
    path("console", home.to_home),
    path("console/alive", home.AliveView.as_view(), name="alive"),
    path("console/workspaces", home.WorkspacesView.as_view(), name="workspaces"),
    path("console/sign-in", doors.SignInView.as_view(), name="sign-in"),
    path("console/sign-up", new_account.SignUpView.as_view(), name="sign-up"),
    path("console/first-account", new_account.FirstAccountView.as_view(), name="first-account"),
    path("console/invitation", new_account.InvitationView.as_view(), name="invitation"),
    path("console/forgotten-password", doors.ForgottenView.as_view(), name="forgotten-password"),
    path("console/new-password", doors.NewPasswordView.as_view(), name="new-password"),
    path("console/sign-out", doors.SignOutView.as_view(), name="sign-out"),
]
