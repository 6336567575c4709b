"""What went wrong, how to fix it, and the exit code. 2 is Typer's: a command written wrongly."""

from voiceops.errors import (
    ApiError,
    ConnectionFailed,
    FieldAbsent,
    Forbidden,
    NotListed,
    Unauthorized,
    VoiceOpsError,
)

REFUSED = 1
NOT_REACHED = 3
NO_ACCESS = 4
BATCH_NOT_COMPLETED = 5


class UsageFailed(VoiceOpsError):
    """The command cannot be carried out as it was written."""


class NoCredentials(VoiceOpsError):
    """Neither the environment nor a login names a server and a key."""


class BatchNotCompleted(VoiceOpsError):
    """The batch that was watched has failed, or was stopped."""


def require(condition: bool, sentence: str) -> None:
    """Raises UsageFailed with the sentence when the condition does not hold."""
    if not condition:
        raise UsageFailed(sentence)


HINTS: list[tuple[type[VoiceOpsError], int, str]] = [
    (NoCredentials, NO_ACCESS, "Log in with: voiceops login"),
    (Unauthorized, NO_ACCESS, "Log in again with: voiceops login"),
    (Forbidden, NO_ACCESS, "Ask an admin of the workspace for a key with a higher role."),
    (ConnectionFailed, NOT_REACHED, "Check the address (VOICEOPS_URL, or voiceops login)."),
    (BatchNotCompleted, BATCH_NOT_COMPLETED, ""),
    (FieldAbsent, REFUSED, "Update the server, or install the package that was made for it."),
]


def explain(error: VoiceOpsError) -> tuple[str, int]:
    """Return the sentence for a failure, with what to do, and its exit code."""
    sentence = error.detail if isinstance(error, ApiError) else str(error)
    if isinstance(error, ApiError) and error.code:
        sentence = f"{sentence} ({error.status} {error.code})"
    if isinstance(error, NotListed):
        return f"{sentence}\nSee what there is with: voiceops {error.group} list", REFUSED
    for kind, code, hint in HINTS:
        if isinstance(error, kind):
            return f"{sentence}\n{hint}".strip(), code
    return sentence, REFUSED
