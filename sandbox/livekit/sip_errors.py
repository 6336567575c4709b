"""How LiveKit words the end of an INVITE, as a Twirp error and as `disconnectReason` (protocols.md
2.2, 2.3).
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from livekit.protocol import models, sip

from sandbox.livekit.twirp import TwirpError, rpc_error

DEFAULT_PHRASES = {
    400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
    407: "Proxy Authentication Required", 408: "Request Timeout", 410: "Gone", 480: "Temporarily Unavailable",
    484: "Address Incomplete", 485: "Ambiguous", 486: "Busy Here", 487: "Request Terminated",
    488: "Not Acceptable Here", 500: "Server Internal Error", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Server Time-out", 600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere",
    606: "Not Acceptable", 607: "Unwanted", 608: "Rejected",
}  # fmt: skip

# sip/pkg/sip + protocol/livekit/sip.go sipCodeToGRPCCode; codes not named fall to their class
# below.
TWIRP_CODE_OF = {
    400: "invalid_argument", 402: "permission_denied", 403: "permission_denied", 404: "not_found",
    408: "deadline_exceeded", 410: "not_found", 480: "resource_exhausted", 484: "invalid_argument",
    485: "invalid_argument", 486: "resource_exhausted", 487: "aborted", 488: "invalid_argument",
    504: "deadline_exceeded", 600: "resource_exhausted", 603: "permission_denied", 604: "not_found",
    606: "invalid_argument", 607: "permission_denied", 608: "permission_denied",
}  # fmt: skip
# Answers the SIP client expects word their message one way, all others another.
EXPECTED_SIP_CODES = frozenset({400, 404, 480, 486, 488})
REJECTING_SIP_CODES = frozenset({401, 403, 407, 486, 488})
GRPC_NUMBERS = {
    "canceled": 1, "invalid_argument": 3, "deadline_exceeded": 4, "not_found": 5, "permission_denied": 7,
    "resource_exhausted": 8, "failed_precondition": 9, "aborted": 10, "unavailable": 14,
}  # fmt: skip
CARRIER_BLOCK = "32203"  # Twilio: "The call was blocked", on X-Twilio-Error


@dataclass(frozen=True)
class Refusal:
    """The call was not answered. `sip_code` None: no SIP response decided it, so there is no SIP
    meta either.
    """

    sip_code: int | None = None
    phrase: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    msg: str = ""
    prefixed: bool = True

    def error(self) -> TwirpError:
        """What CreateSIPParticipant answers when it waited."""
        if self.sip_code is None:
            return (
                rpc_error(self.code, self.msg) if self.prefixed else TwirpError(self.code, self.msg)
            )
        code = TWIRP_CODE_OF.get(
            self.sip_code,
            "failed_precondition" if 500 <= self.sip_code < 600 else "invalid_argument",
        )
        msg = self._message()
        meta = {
            "sip_status_code": str(self.sip_code),
            "sip_status": self._status or _enum_text(self.sip_code),
            "error_details": _details(code, msg),
        }
        return rpc_error(code, msg, meta)

    def _message(self) -> str:
        text = (
            f"sip status: {self.sip_code}: {self._status}"
            if self._status
            else f"sip status: {self.sip_code}"
        )
        if self.headers.get("X-Twilio-Error", "").startswith(CARRIER_BLOCK):
            return f"INVITE blocked by carrier: {text}"
        if self.sip_code in EXPECTED_SIP_CODES:
            return f"INVITE failed: {text}"
        return f"unexpected status from INVITE response: {text}"

    @property
    def _status(self) -> str:
        """The reason phrase; for the answers it expects, Twilio's own explanation takes its place."""
        if self.sip_code in EXPECTED_SIP_CODES:
            return self.headers.get("X-Twilio-Error", self.phrase)
        return self.phrase

    def disconnect_reason(self) -> models.DisconnectReason:
        """sip/pkg/sip/errors.go classifyInviteError, since sip#861."""
        if self.sip_code is None:
            return DISCONNECT_REASONS_WITHOUT_SIP_CODE.get(
                (self.code, self.msg), models.SIP_TRUNK_FAILURE
            )
        if 500 <= self.sip_code < 600:
            return models.SIP_TRUNK_FAILURE
        if self.sip_code in REJECTING_SIP_CODES or self.sip_code >= 600:
            return models.USER_REJECTED
        return models.USER_UNAVAILABLE


def sip_refusal(
    sip_code: int, phrase: str | None = None, headers: Mapping[str, str] | None = None
) -> Refusal:
    """`phrase` None takes the usual one of that status; "" sends none."""
    return Refusal(
        sip_code=sip_code,
        phrase=DEFAULT_PHRASES.get(sip_code, "") if phrase is None else phrase,
        headers=headers or {},
    )


def _enum_text(sip_code: int) -> str:
    """LiveKit falls back to the enum's name when the reason phrase is empty (python-sdks#479)."""
    if sip_code in sip.SIPStatusCode.values():
        return sip.SIPStatusCode.Name(sip_code)
    return str(sip_code)


def _details(code: str, msg: str) -> str:
    """A google.rpc.Status {code, message}, written by hand: two fields are not worth a dependency."""
    text = msg.encode()[:120]
    raw = b"\x08" + bytes([GRPC_NUMBERS.get(code, 2)]) + b"\x12" + bytes([len(text)]) + text
    return base64.b64encode(raw).decode()


# --- the ends that carry no SIP status ---
RINGING_TIMED_OUT = Refusal(code="canceled", msg="sip request timed out")
RINGING_TIMED_OUT_IN_A_RACE = Refusal(
    code="failed_precondition", msg="context deadline exceeded"
)  # sip#857
HUNG_UP_WHILE_RINGING = RINGING_TIMED_OUT  # sip/outbound.go sipSignal: both cancel the same context, so they read the same
NO_CREDENTIALS = Refusal(
    code="failed_precondition",
    msg="sip server required auth, but no username or password was provided",
)
BAD_CREDENTIALS = Refusal(
    code="failed_precondition", msg="max auth retry attempts reached for SIP invite"
)
NO_SERVER = Refusal(code="unavailable", msg="no response from servers")
DISCONNECT_REASONS_WITHOUT_SIP_CODE = {
    (RINGING_TIMED_OUT.code, RINGING_TIMED_OUT.msg): models.USER_UNAVAILABLE,
    (RINGING_TIMED_OUT_IN_A_RACE.code, RINGING_TIMED_OUT_IN_A_RACE.msg): models.UNKNOWN_REASON,
    (NO_CREDENTIALS.code, NO_CREDENTIALS.msg): models.USER_REJECTED,
    (BAD_CREDENTIALS.code, BAD_CREDENTIALS.msg): models.USER_REJECTED,
}


def refuse_challenge(*, has_credentials: bool) -> Refusal:
    """What becomes of 401 and 407: LiveKit tries the trunk's credentials five times, when there are
    any.
    """
    return BAD_CREDENTIALS if has_credentials else NO_CREDENTIALS
