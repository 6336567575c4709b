import pytest
from django.core.checks import run_checks
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import checks
from accounts.api.viewsets import DestroyMixin, WorkspaceViewSet
from accounts.models import ApiKey, Workspace
from accounts.roles import Role
from accounts.tenancy import UnscopedQueryError
from tests import make


@pytest.mark.parametrize(
    "query",
    [
        lambda: ApiKey.objects.all(),
        lambda: ApiKey.objects.exists(),
        lambda: ApiKey.objects.in_bulk(),
        lambda: ApiKey.objects.create(name="x"),
        lambda: ApiKey.objects.bulk_create([]),
        lambda: ApiKey.objects.update(name="x"),
        lambda: ApiKey.objects.filter(name="x"),
        lambda: Workspace.objects.first(),
    ],
)
def test_a_query_without_a_workspace_is_an_error(query: object) -> None:
    with pytest.raises(UnscopedQueryError, match="unscoped"):
        query()  # type: ignore[operator]  # the functions above


def test_a_relation_of_a_workspace_has_only_its_rows(ours: Workspace, theirs: Workspace) -> None:
    key, foreign = make.api_key(ours)[0], make.api_key(theirs)[0]

    assert list(ours.api_keys.all()) == [key]
    assert list(ApiKey.unscoped.order_by("pk")) == [key, foreign]


def test_a_model_without_owner_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = checks.GLOBAL_MODELS.all()
    without_session = [
        {label: reason for label, reason in models.items() if label != "accounts.Session"}
        for models in listed
    ]
    monkeypatch.setattr(checks.GLOBAL_MODELS, "_extensions", without_session)

    assert [(m.id, m.msg) for m in run_checks()] == [
        ("accounts.E001", "accounts.Session belongs to no workspace.")
    ]


def test_a_viewset_names_a_role_for_exactly_its_actions() -> None:
    with pytest.raises(TypeError, match="required_roles must name exactly"):

        class Forgetful(mixins.ListModelMixin, DestroyMixin, WorkspaceViewSet):
            model = ApiKey
            required_roles = {"list": Role.MEMBER}

    with pytest.raises(TypeError, match="required_roles must name exactly"):

        class Hidden(mixins.ListModelMixin, WorkspaceViewSet):
            model = ApiKey
            required_roles = {"list": Role.MEMBER}

            @action(detail=True)
            def secret(self, request: Request) -> Response:
                return Response()


def test_a_viewset_cannot_override_its_own_checks() -> None:
    class Wide:
        def get_queryset(self) -> object:
            return ApiKey.unscoped.all()

    with pytest.raises(TypeError, match="may not redefine"):
        # The mistake under test.
        class Mixed(Wide, mixins.ListModelMixin, WorkspaceViewSet):  # type: ignore[misc]
            model = ApiKey
            required_roles = {"list": Role.MEMBER}

    with pytest.raises(TypeError, match="may not redefine"):

        class Open(mixins.ListModelMixin, WorkspaceViewSet):
            model = ApiKey
            required_roles = {"list": Role.MEMBER}
            permission_classes = ()  # type: ignore[assignment]  # the mistake under test
