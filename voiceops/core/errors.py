"""Refusals that services raise, and the HTTP status that each gets in the API.

DomainError            a refusal whose message may be shown to the client
├── Invalid            input that a schema cannot check, such as an invalid phone number    400
├── StateForbids       the object's state does not allow the action                         400
├── NotFound           the object does not exist, or belongs to another workspace           404
├── Forbidden          the principal may not do it                                          403
├── Conflict           a duplicate                                                          409
├── Busy               too many long requests at the same time; with Retry-After            503
├── NoSpace            the disk, or the share of it that may be used, is full; Retry-After  503
└── ProviderError      LiveKit, Twilio or S3 refused, or could not be reached               500

The API's exception handler turns each into `{"detail": message}`; commands print the message. Any
other exception is a bug: a 500 and a log entry.
"""

from typing import ClassVar


class DomainError(Exception):
    """A refusal whose message may be shown to the client.

    `code` names it where its sentences are too many to be known by them (voiceops.api.error_codes).
    """

    code: ClassVar[str | None] = None


class Invalid(DomainError):
    """The input is well formed, but means something that cannot be done."""


class StateForbids(DomainError):
    """The object's state does not allow the action."""


class NotFound(DomainError):
    """The object does not exist, or belongs to another workspace."""


class Forbidden(DomainError):
    """The principal may not do it."""


class Conflict(DomainError):
    """The object exists already."""


class Busy(DomainError):
    """Too many long requests are under way; `wait` says in how many seconds to try again."""

    wait = 2


class NoSpace(DomainError):
    """Nothing more may be stored for now; `wait` says in how many seconds to try again."""

    wait = 30


class ProviderError(DomainError):
    """An outside service failed.

    The message names the service and its reason, never a secret or a traceback. `is_repeatable`:
    nothing of the request holds, so that it may be sent again under its `Idempotency-Key`.
    """

    is_repeatable = False
