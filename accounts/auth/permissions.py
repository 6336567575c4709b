from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.auth.principal import Principal
from accounts.roles import Role

SIGNED_IN = (
    0  # in a view's `required_roles`: whoever is authenticated, in whichever workspace or none
)
REFUSALS = {Role.MANAGER: "Insufficient permissions", Role.ADMIN: "Admin access required"}


class HasRole(BasePermission):
    """Deny, unless the view names a role for this action and the caller holds it in the request's
    workspace.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        needed = getattr(view, "required_roles", {}).get(getattr(view, "action", None))
        principal = request.auth
        if not isinstance(principal, Principal) or needed is None:
            return False
        if needed == SIGNED_IN:
            return True
        if principal.workspace is None or principal.role is None:
            raise PermissionDenied("Not a member of this workspace")
        if principal.role < needed:
            raise PermissionDenied(REFUSALS.get(needed, "Insufficient permissions"))
        return True
