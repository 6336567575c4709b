from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api import idempotency, slow_requests
from accounts.api.throttles import rate_limit_headers
from accounts.auth.origin import SAFE_METHODS, require_own_origin
from accounts.auth.principal import Principal
from accounts.models import IdempotentRequest
from voiceops.core.database_locks import retry_when_locked
from voiceops.observability.structured_logging import bind


class OrderedChecksView(APIView):
    """Checks credentials (401), method (405), workspace and role (403), then throttles (429).

    The order is documented, and all of it comes before anything of the body is read.
    """

    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    _claim: IdempotentRequest | None = None
    _response: HttpResponseBase | None = None
    # Actions that wait on an outside service, a long list or a slow reader.
    slow_actions: ClassVar[Collection[str]] = ()
    _release_place: Callable[[], None] | None = None
    _limits: Sequence[Any] = ()  # those that the request was counted against

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Raises an APIException or DomainError for the first check that fails."""
        self.format_kwarg = None
        negotiated = self.perform_content_negotiation(request)
        request.accepted_renderer, request.accepted_media_type = negotiated
        self.perform_authentication(request)
        # Public views have no authenticators; every other view needs a principal.
        if self.get_authenticators() and not isinstance(request.auth, Principal):
            raise NotAuthenticated

        method = str(request.method).lower()
        if method not in self.http_method_names or not hasattr(self, method):
            self.http_method_not_allowed(request)
        self._check_origin(request)

        self.resolve_workspace(request)
        self._bind_log_context(request)
        self.check_permissions(request)
        self.check_throttles(request)
        if getattr(self, "action", None) in self.slow_actions:
            self.reserve_place(request)
        elif request.method not in SAFE_METHODS:
            # What waits on an outside service may have reached it: it is not done again.
            setattr(self, method, retry_when_locked(getattr(self, method)))
        if idempotency.has_key(request):
            # Wrapped here, after all checks, so that a refused request claims no key.
            self.post: Callable[..., Any] = partial(self._run_idempotent, self.post)

    def get_authenticate_header(self, request: Request) -> str:
        # REST framework turns a 401 without this header into a 403, also in public views.
        return "Bearer"

    def resolve_workspace(self, request: Request) -> None:
        """Determine which workspace the request is about."""

    def get_throttles(self) -> list[Any]:
        limits = super().get_throttles()
        self._limits = limits
        return limits

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        finally:
            if self._claim is not None:
                idempotency.store_response(self._claim, self._response)
            self._give_place_back()

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        self._response = response
        if isinstance(response, Response):
            response.add_post_render_callback(_forget_request)
        # The body depends on the credentials, so no shared cache may store or reuse it.
        response.headers.setdefault("Cache-Control", "no-store")
        patch_vary_headers(response, ["Cookie", "Authorization", "X-API-Key", "X-Workspace-ID"])
        for name, value in rate_limit_headers(self._limits).items():
            response.headers[name] = value
        return response

    def reserve_place(self, request: Request) -> None:
        """Hold a place for long requests until this one ends.

        Raises Busy when too many are under way.
        """
        workspace = request.auth.workspace if isinstance(request.auth, Principal) else None
        self._release_place = slow_requests.reserve_place(str(workspace and workspace.pk))

    def _give_place_back(self) -> None:
        release, response = self._release_place, self._response
        if release is None:
            return
        if response is not None and response.streaming:
            # The thread is busy until the last byte was sent, or the reader has gone.
            response._resource_closers.append(release)  # type: ignore[attr-defined]
        else:
            release()

    def _check_origin(self, request: Request) -> None:
        # Only a cookie is sent by the browser on behalf of a foreign page.
        by_cookie = isinstance(request.auth, Principal) and request.auth.by_cookie
        if by_cookie and request.method not in SAFE_METHODS:
            require_own_origin(request)

    def _bind_log_context(self, request: Request) -> None:
        if isinstance(request.auth, Principal):
            workspace = request.auth.workspace
            bind(actor=request.auth.scope, workspace=str(workspace and workspace.pk))

    def _run_idempotent(
        self, handler: Callable[..., Any], request: Request, *args: Any, **kwargs: Any
    ) -> Any:
        """Run a POST under its `Idempotency-Key`, or replay the stored response."""
        claimed = idempotency.claim(request, now=timezone.now())
        if isinstance(claimed, HttpResponse):
            return claimed
        self._claim = claimed
        return handler(request, *args, **kwargs)


def _forget_request(response: Any) -> None:
    """Let a rendered response go as soon as it is sent, and the rows in it.

    REST framework ties view, request and response into circles, in which they would stay in memory
    until the garbage collector comes.
    """
    view, request = response.renderer_context["view"], response.renderer_context["request"]
    # Of an action, methods are bound to the view. A body that a serializer made refers to it, and
    # by its context to the view.
    for name in (*view.http_method_names, "response", "_response"):
        vars(view).pop(name, None)
    request.parser_context = {}
    response.renderer_context = {}


class PublicView(OrderedChecksView):
    """A view without credentials. Each is listed in tests/architecture/test_routes.py."""

    authentication_classes = ()
    permission_classes = ()
