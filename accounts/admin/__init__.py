"""Django imports this package; importing its modules registers their pages."""

from accounts.admin import security, users, workspaces

__all__ = ["security", "users", "workspaces"]
