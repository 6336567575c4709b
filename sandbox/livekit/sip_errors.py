"""LiveKit's Twirp errors and `disconnectReason` for INVITEs that fail
(docs/reference/protocols.md §2.2, §2.3).
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from livekit.protocol import models, sip

from sandbox.livekit.twirp import TwirpError, rpc_error

DEFAULT_PHRASES = {
    400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden",
    404: "Not Found", 407: "Proxy Authentication Required", 408: "Request Timeout", 410: "Gone",
    480: "Temporarily Unavailable", 484: "Address Incomplete", 485: "Ambiguous", 486: "Busy Here",
    487: "Request Terminated", 488: "Not Acceptable Here", 500: "Server Internal Error",
    502: "Bad Gateway", 503: "Service Unavailable", 504: "Server Time-out", 600: "Busy Everywhere",
    603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable", 607: "Unwanted",
    608: "Rejected",
}  # fmt: skip

# protocol/livekit/sip.go sipCodeToGRPCCode. Codes that are missing here follow their class.
TWIRP_CODE_OF = {
    400: "invalid_argument", 402: "permission_denied", 403: "permission_denied", 404: "not_found",
    408: "deadline_exceeded", 410: "not_found", 480: "resource_exhausted", 484: "invalid_argument",
    485: "invalid_argument", 486: "resource_exhausted", 487: "aborted", 488: "invalid_argument",
    504: "deadline_exceeded", 600: "resource_exhausted", 603: "permission_denied",
    604: "not_found", 606: "invalid_argument", 607: "permission_denied", 608: "permission_denied",
}  # fmt: skip
# The message of these starts with "INVITE failed", that of others with "unexpected status".
EXPECTED_SIP_CODES = frozenset({400, 404, 480, 486, 488})
REJECTING_SIP_CODES = frozenset({401, 403, 407, 486, 488})
GRPC_NUMBERS = {
    "canceled": 1, "invalid_argument": 3, "deadline_exceeded": 4, "not_found": 5,
    "permission_denied": 7, "resource_exhausted": 8, "failed_precondition": 9, "aborted": 10,
    "unavailable": 14,
}  # fmt: skip
CARRIER_BLOCK = "32203"  # Twilio: "The call was blocked", on X-Twilio-Error


@dataclass(frozen=True)
class Refusal:
    """A call that was not answered.

    Without `sip_code` no SIP response decided it, so the error has no SIP metadata, and `code` and
    `msg` are those of the Twirp error.
    """

    sip_code: int | None = None
    phrase: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    msg: str = ""

    def error(self) -> TwirpError:
        """Return the error of a CreateSIPParticipant that waited for the answer."""
        if self.sip_code is None:
            return rpc_error(self.code, self.msg)
        by_class = "failed_precondition" if 500 <= self.sip_code < 600 else "invalid_argument"
        code = TWIRP_CODE_OF.get(self.sip_code, by_class)
        msg = self._message()
        meta = {
            "sip_status_code": str(self.sip_code),
            "sip_status": self._status or _enum_text(self.sip_code),
            "error_details": _details(code, msg),
        }
        return rpc_error(code, msg, meta)

    def _message(self) -> str:
        text = f"sip status: {self.sip_code}"
        if self._status:
            text += f": {self._status}"
        if self.headers.get("X-Twilio-Error", "").startswith(CARRIER_BLOCK):
            return f"INVITE blocked by carrier: {text}"
        if self.sip_code in EXPECTED_SIP_CODES:
            return f"INVITE failed: {text}"
        return f"unexpected status from INVITE response: {text}"

    @property
    def _status(self) -> str:
        """The reason phrase, which X-Twilio-Error replaces in expected responses."""
        if self.sip_code in EXPECTED_SIP_CODES:
            return self.headers.get("X-Twilio-Error", self.phrase)
        return self.phrase

    def disconnect_reason(self) -> models.DisconnectReason:
        """Return the participant's reason (sip/pkg/sip/errors.go classifyInviteError, sip#861)."""
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
    """Return the refusal of a SIP response. Without `phrase` it has the usual one; "" is none."""
    return Refusal(
        sip_code=sip_code,
        phrase=DEFAULT_PHRASES.get(sip_code, "") if phrase is None else phrase,
        headers=headers or {},
    )


def _enum_text(sip_code: int) -> str:
    """Return the name LiveKit uses when the reason phrase is empty (python-sdks#479)."""
    if sip_code in sip.SIPStatusCode.values():
        return sip.SIPStatusCode.Name(sip_code)
    return str(sip_code)


def _details(code: str, msg: str) -> str:
    """Return a google.rpc.Status {code, message} in base64.

    It is encoded by hand because two fields do not justify a dependency.
    """
    text = msg.encode()[:120]  # so that the length fits in one byte
    raw = b"\x08" + bytes([GRPC_NUMBERS.get(code, 2)]) + b"\x12" + bytes([len(text)]) + text
    return base64.b64encode(raw).decode()


# --- failures without a SIP status ---
RINGING_TIMED_OUT = Refusal(code="canceled", msg="sip request timed out")
# sip#857
RINGING_TIMED_OUT_IN_A_RACE = Refusal(code="failed_precondition", msg="context deadline exceeded")
# Both cancel the same context, so LiveKit reports them alike (sip/outbound.go sipSignal).
HUNG_UP_WHILE_RINGING = RINGING_TIMED_OUT
NO_CREDENTIALS = Refusal(
    code="failed_precondition",
    msg="sip server required auth, but no username or password was provided",
)
BAD_CREDENTIALS = Refusal(
    code="failed_precondition", msg="max auth retry attempts reached for SIP invite"
)
DISCONNECT_REASONS_WITHOUT_SIP_CODE = {
    (RINGING_TIMED_OUT.code, RINGING_TIMED_OUT.msg): models.USER_UNAVAILABLE,
    (RINGING_TIMED_OUT_IN_A_RACE.code, RINGING_TIMED_OUT_IN_A_RACE.msg): models.UNKNOWN_REASON,
    (NO_CREDENTIALS.code, NO_CREDENTIALS.msg): models.USER_REJECTED,
    (BAD_CREDENTIALS.code, BAD_CREDENTIALS.msg): models.USER_REJECTED,
}


def refuse_challenge(*, has_credentials: bool) -> Refusal:
    """Return the refusal for 401 and 407: LiveKit tries the trunk's credentials five times."""
    return BAD_CREDENTIALS if has_credentials else NO_CREDENTIALS
