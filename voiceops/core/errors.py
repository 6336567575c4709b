"""Refusals the domain may raise, and what they mean to a caller.

DomainError                a refusal with a sentence fit for the caller
├── Invalid                input the schema cannot judge (an invalid phone number)         400
├── StateForbids           the object's state does not allow the action                    400
├── NotFound               not here, or another workspace's (the two are the same)          404
├── Forbidden              the caller may not                                               403
├── Conflict               a duplicate                                                      409
└── ProviderError          LiveKit, Twilio or S3 refused or could not be reached            500

The API's exception handler turns each into `{"detail": message}`; commands print the message.
Anything else is a bug: a 500 with a log line.
"""


class DomainError(Exception):
    """A refusal whose message may be shown to whoever asked."""


class Invalid(DomainError):
    pass


class StateForbids(DomainError):
    pass


class NotFound(DomainError):
    pass


class Forbidden(DomainError):
    pass


class Conflict(DomainError):
    pass


class ProviderError(DomainError):
    """An outside service failed. The message names the service and its reason, never a secret or a
    traceback.
    """
