from accounts.models.factors import RecoveryCode, SecondFactor, StaffTry
from accounts.models.people import PasswordReset, Session, User, UserManager, canonical_email
from accounts.models.records import AuditEntry, ErasedNumber, IdempotentRequest
from accounts.models.seats import ApiKey, Invitation, Membership
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
