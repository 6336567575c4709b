from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.auth.principal import Principal
from accounts.roles import Role

# In a view's `required_roles`: any authenticated principal, in whichever workspace or none.
SIGNED_IN = 0
INSUFFICIENT_PERMISSIONS = "Insufficient permissions"
NOT_A_MEMBER = "Not a member of this workspace"
REFUSAL_OF_ROLE = {Role.MANAGER: INSUFFICIENT_PERMISSIONS, Role.ADMIN: "Admin access required"}


class HasRole(BasePermission):
    """Denies unless the view names a role for this action and the principal holds it."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Compare the role in the request's workspace. Raises PermissionDenied (403)."""
        required = getattr(view, "required_roles", {}).get(getattr(view, "action", None))
        principal = request.auth
        # An action without a role is denied: forgetting one must not open it.
        if not isinstance(principal, Principal) or required is None:
            return False
        if required == SIGNED_IN:
            return True
        if principal.workspace is None or principal.role is None:
            raise PermissionDenied(NOT_A_MEMBER)
        if principal.role < required:
            raise PermissionDenied(REFUSAL_OF_ROLE.get(required, INSUFFICIENT_PERMISSIONS))
        return True
