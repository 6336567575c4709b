from collections.abc import Callable
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.api import idempotency
from accounts.auth.origin import SAFE_METHODS, require_own_origin
from accounts.auth.principal import Principal
from accounts.models import IdempotentRequest
from voiceops.observability.structured_logging import bind


class OrderedChecksView(APIView):
    """Judges credentials (401), method (405), workspace and role (403) in this order, before
    anything of the body.
    """

    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    _claim: IdempotentRequest | None = None
    _answer: HttpResponseBase | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.format_kwarg = None
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(
            request
        )
        self.perform_authentication(request)
        if self.get_authenticators() and not isinstance(request.auth, Principal):
            raise NotAuthenticated
        method = str(request.method).lower()
        if method not in self.http_method_names or not hasattr(self, method):
            self.http_method_not_allowed(request)
        if (
            isinstance(request.auth, Principal)
            and request.auth.by_cookie
            and request.method not in SAFE_METHODS
        ):
            require_own_origin(request)
        self.resolve_workspace(request)
        if isinstance(request.auth, Principal):
            bind(
                actor=request.auth.scope,
                workspace=str(request.auth.workspace and request.auth.workspace.pk),
            )
        self.check_permissions(request)
        self.check_throttles(request)
        if idempotency.names_a_key(request):
            self.post: Callable[..., Any] = partial(self._run_idempotent, self.post)

    def get_authenticate_header(self, request: Request) -> str:
        # Also where a view takes no credentials: REST framework makes a 401 without it a 403.
        return "Bearer"

    def resolve_workspace(self, request: Request) -> None:
        """Settle which workspace the request is about."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        finally:
            if self._claim is not None:
                idempotency.store_answer(self._claim, self._answer)

    def _run_idempotent(
        self, handler: Callable[..., Any], request: Request, *args: Any, **kwargs: Any
    ) -> Any:
        """Run a POST under its `Idempotency-Key`, or answer what it answered before."""
        claimed = idempotency.claim(request, now=timezone.now())
        if isinstance(claimed, HttpResponse):
            return claimed
        self._claim = claimed
        return handler(request, *args, **kwargs)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        self._answer = response
        response.headers.setdefault("Cache-Control", "no-store")
        patch_vary_headers(response, ["Cookie", "Authorization", "X-API-Key", "X-Workspace-ID"])
        return response


class PublicView(OrderedChecksView):
    """A view that needs no credentials of ours. Each is named in tests/architecture/test_routes.py."""

    authentication_classes = ()
    permission_classes = ()
