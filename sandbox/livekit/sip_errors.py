"""LiveKit's Twirp errors and `disconnectReason` for INVITEs that fail
(docs/reference/protocols.md §2.2, docs/reference/real-livekit.md §3).
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf.any_pb2 import Any as PackedMessage
from livekit.protocol import models, sip

from sandbox.livekit.twirp import TwirpError

DEFAULT_PHRASES = {
    302: "Moved Temporarily", 400: "Bad Request", 401: "Unauthorized", 402: "Payment Required",
    403: "Forbidden", 404: "Not Found", 407: "Proxy Authentication Required",
    408: "Request Timeout", 410: "Gone", 480: "Temporarily Unavailable",
    484: "Address Incomplete", 485: "Ambiguous", 486: "Busy Here", 487: "Request Terminated",
    488: "Not Acceptable Here", 500: "Server Internal Error", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Server Time-out", 600: "Busy Everywhere", 603: "Decline",
    604: "Does Not Exist Anywhere", 606: "Not Acceptable", 607: "Unwanted", 608: "Rejected",
}  # fmt: skip

# protocol/livekit/sip.go sipCodeToGRPCCode. Codes that are missing here follow their class.
TWIRP_CODE_OF = {
    400: "invalid_argument", 402: "permission_denied", 403: "permission_denied", 404: "not_found",
    408: "deadline_exceeded", 410: "not_found", 480: "resource_exhausted", 484: "invalid_argument",
    485: "invalid_argument", 486: "resource_exhausted", 487: "aborted", 488: "invalid_argument",
    504: "deadline_exceeded", 600: "resource_exhausted", 603: "permission_denied",
    604: "not_found", 606: "invalid_argument", 607: "permission_denied", 608: "permission_denied",
}  # fmt: skip
# By the first digit of the SIP status.
TWIRP_CODE_OF_CLASS = {
    3: "not_found", 4: "invalid_argument", 5: "failed_precondition", 6: "invalid_argument",
}  # fmt: skip
# The message of these starts with "INVITE failed", that of others with "unexpected status".
EXPECTED_SIP_CODES = frozenset({400, 404, 480, 486, 488})
UNAVAILABLE_SIP_CODES = frozenset({404, 408, 480})
GRPC_NUMBERS = {
    "canceled": 1, "invalid_argument": 3, "deadline_exceeded": 4, "not_found": 5,
    "permission_denied": 7, "resource_exhausted": 8, "failed_precondition": 9, "aborted": 10,
    "unavailable": 14,
}  # fmt: skip
CARRIER_BLOCK = "32203"  # Twilio: "The call was blocked", on X-Twilio-Error
CPS_LIMIT = "CPS limit exceeded"  # in Twilio's reason phrase


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
            return TwirpError(self.code, self.msg)
        code = TWIRP_CODE_OF.get(self.sip_code, TWIRP_CODE_OF_CLASS[self.sip_code // 100])
        msg = self._message()
        meta = {
            "sip_status_code": str(self.sip_code),
            "sip_status": self._status or _enum_text(self.sip_code),
            "error_details": _details(code, msg, self.sip_code, self._status),
        }
        return TwirpError(code, msg, meta)

    def _message(self) -> str:
        text = f"sip status: {self.sip_code}"
        if self._status:
            text += f": {self._status}"
        if self.headers.get("X-Twilio-Error", "").startswith(CARRIER_BLOCK):
            # ClassifyInvite returns the bare status; the header and the words "INVITE blocked by
            # carrier" are lost on the way.
            return text
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
        """Return the participant's reason, which is coarse: a failure of trunk or network reads
        like a hang-up (docs/reference/real-livekit.md §3).
        """
        if self.sip_code is None:
            return DISCONNECT_REASONS_WITHOUT_SIP_CODE.get(
                (self.code, self.msg), models.CLIENT_INITIATED
            )
        if self.sip_code in UNAVAILABLE_SIP_CODES:
            return models.USER_UNAVAILABLE
        if self.sip_code // 100 in (4, 6) or CPS_LIMIT in self.phrase:
            return models.USER_REJECTED
        return models.CLIENT_INITIATED


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


def _details(code: str, msg: str, sip_code: int, status: str) -> str:
    """Return a google.rpc.Status {code, message, details: [livekit.SIPStatus]} in base64.

    It is encoded by hand because three fields do not justify a dependency.
    """
    detail = PackedMessage()
    # Assigned as a number: SIP statuses without a name in the enum are sent as well.
    detail.Pack(sip.SIPStatus(code=sip_code, status=status))  # type: ignore[arg-type]
    raw = b"\x08" + bytes([GRPC_NUMBERS.get(code, 2)])
    raw += b"\x12" + _with_length(msg.encode()) + b"\x1a" + _with_length(detail.SerializeToString())
    return base64.b64encode(raw).decode()


def _with_length(data: bytes) -> bytes:
    """Return the bytes as protobuf writes a field of them: after their length, as a varint."""
    length, prefix = len(data), b""
    while length > 0x7F:
        prefix += bytes([length & 0x7F | 0x80])
        length >>= 7
    return prefix + bytes([length]) + data


# --- failures without a SIP status ---
RINGING_TIMED_OUT = Refusal(code="canceled", msg="sip request timed out")
# Timer B: nothing at all came back in 32 s.
INVITE_UNANSWERED = Refusal(
    code="canceled", msg="transaction failed to complete (0 intermediate responses)"
)
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
    (INVITE_UNANSWERED.code, INVITE_UNANSWERED.msg): models.USER_UNAVAILABLE,
    (NO_CREDENTIALS.code, NO_CREDENTIALS.msg): models.USER_REJECTED,
    (BAD_CREDENTIALS.code, BAD_CREDENTIALS.msg): models.USER_REJECTED,
}


def refuse_challenge(*, has_credentials: bool) -> Refusal:
    """Return the refusal for 401 and 407: LiveKit tries the trunk's credentials five times."""
    return BAD_CREDENTIALS if has_credentials else NO_CREDENTIALS


def network_failure(kind: str, address: str) -> Refusal:
    """Return the failure to reach a trunk's address: the connection is "refused", or the host
    "unresolved".
    """
    host, _, port = address.partition(":")
    if kind == "refused":
        reason = f"dial tcp {host}:{port or 5060}: connect: connection refused"
        return Refusal(code="failed_precondition", msg=f"transport<TCP> dial err={reason}")
    resolution = f"lookup _sip._tcp.{host}: no such host"
    return Refusal(
        code="invalid_argument", msg=f'fail to resolve target for "{host}": {resolution}'
    )
