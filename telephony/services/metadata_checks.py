"""Whether an agent's settings fit into LiveKit's metadata, checked before any call."""

from agents.models import AgentVersion
from telephony.domain.agent_metadata import describe_metadata_limit, is_too_long, metadata_of
from telephony.models import Call
from voiceops.core.crypto import DecryptError
from voiceops.core.errors import StateForbids


def fits(version: AgentVersion) -> bool:
    """Return whether a call without variables could be told the version's settings."""
    try:
        config = version.config_with_secrets()
    except DecryptError:
        return True  # another refusal, with other words
    return not is_too_long(metadata_of(Call(), config))


def require_version_fits(version: AgentVersion) -> None:
    """Check that LiveKit accepts the version's settings. Raises StateForbids."""
    if not fits(version):
        raise StateForbids(
            f"The agent's settings are too long: LiveKit accepts {describe_metadata_limit()}, "
            "including the variables of a call"
        )
