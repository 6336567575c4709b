"""Django looks for this module; importing the others registers their pages."""

from accounts.admin import security, users, workspaces

__all__ = ["security", "users", "workspaces"]
