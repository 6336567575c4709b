"""Whether another list may be stored: on the disk, in DATA_DIR's quota, in its workspace's."""

from collections.abc import Iterator
from uuid import UUID

from django.conf import settings

from batches.importing.source import upload_path
from batches.models import Batch, SuppressionImport
from voiceops.core.disk_space import require_space
from voiceops.core.errors import NoSpace

TOO_MANY_WAITING = (
    "The lists of this workspace that wait to be read would take more than {limit:,} bytes: try "
    "again when some of them have been read"
)


def require_upload_space(workspace_id: UUID, more: int = 0) -> None:
    """Raises NoSpace when a list of `more` bytes finds no place on the disk now."""
    require_space(more)
    limit: int = settings.MAX_WAITING_BYTES_PER_WORKSPACE
    if waiting_bytes(workspace_id) + more > limit:
        raise NoSpace(TOO_MANY_WAITING.format(limit=limit))


def waiting_bytes(workspace_id: UUID) -> int:
    """Return the size of a workspace's lists that have not been read to their end."""
    return sum(map(_size, _waiting_names(workspace_id)))


def _waiting_names(workspace_id: UUID) -> Iterator[str]:
    for rows in (Batch.unscoped, SuppressionImport.unscoped):
        waiting = rows.filter(workspace=workspace_id).exclude(upload="")
        yield from waiting.values_list("upload", flat=True)


def _size(name: str) -> int:
    """Return the size of a stored list; 0 for one that has just been deleted."""
    try:
        return upload_path(name).stat().st_size
    except FileNotFoundError:
        return 0
