from accounts.models.api_keys import ApiKey
from accounts.models.audit import AuditEntry
from accounts.models.erased_numbers import ErasedNumber
from accounts.models.idempotency import IdempotentRequest
from accounts.models.memberships import Invitation, Membership
from accounts.models.second_factor import RecoveryCode, SecondFactor, StaffTry
from accounts.models.users import PasswordReset, Session, User, UserManager, canonical_email
from accounts.models.workspaces import Workspace

__all__ = [
    "ApiKey",
    "AuditEntry",
    "ErasedNumber",
    "IdempotentRequest",
    "Invitation",
    "Membership",
    "PasswordReset",
    "RecoveryCode",
    "SecondFactor",
    "Session",
    "StaffTry",
    "User",
    "UserManager",
    "Workspace",
    "canonical_email",
]
