"""Create a batch from an uploaded list, or append one. Rows are read in the background."""

from typing import Any

from django.db import transaction

from accounts import audit
from accounts.auth.principal import Principal
from agents.models import Agent
from agents.services import published_version
from batches.importing.lease import begin_append
from batches.importing.saved_mappings import load_saved_mappings
from batches.models import Batch
from batches.services.batches import HAS_ENDED, STILL_VALIDATING
from batches.services.uploads import UploadContent, stored_upload
from telephony.models import PhoneNumber
from voiceops.core import task_queue
from voiceops.core.errors import StateForbids


def create_batch(
    *,
    agent: Agent,
    phone_number: PhoneNumber,
    content: UploadContent,
    principal: Principal | None = None,
    **fields: Any,
) -> Batch:
    """Create a batch and return it as `validating`; `fields` are the batch's own.

    Raises StateForbids when the agent was never published or the number is not active, Invalid for
    a list that is too large, empty, unreadable or without a phone column.
    """
    fields["agent_version"] = published_version(agent)
    if phone_number.status != PhoneNumber.Status.ACTIVE:
        raise StateForbids("Phone number is not active")
    workspace = agent.workspace
    mapping = fields.get("column_mapping")
    saved_mappings = load_saved_mappings(workspace.pk)
    stored = stored_upload(
        content,
        workspace_id=workspace.pk,
        mapping=mapping,
        saved_mappings=saved_mappings,
        default_country=fields.get("default_country"),
        hidden_rows=fields.get("hidden_rows", Batch.HiddenRows.SKIP),
    )
    with stored as upload, transaction.atomic():
        batch = Batch.unscoped.create(
            workspace=workspace, agent=agent, phone_number=phone_number, upload=upload, **fields
        )
        changes = {"name": batch.name}
        audit.record("batch.created", principal=principal, target=batch, changes=changes)
        task_queue.enqueue_on_commit(task_queue.IMPORT_BATCH, batch_id=str(batch.pk))
    return batch


def append_recipients(
    *,
    batch: Batch,
    content: UploadContent,
    principal: Principal | None = None,
    hidden_rows: str | None = None,
    on_existing: str | None = None,
) -> Batch:
    """Append a list to the batch; its rows come after those that are there.

    `hidden_rows` as in a new batch; None for what holds for the batch. `on_existing` says what
    becomes of rows whose external id the batch has already; None appends them.

    Rejected rows that were corrected can be uploaded by themselves. Raises StateForbids while an
    earlier list is read and when the batch was stopped or has failed, Invalid as for a new batch.
    """
    if batch.status == Batch.Status.VALIDATING:
        raise StateForbids(STILL_VALIDATING)
    if batch.status in (Batch.Status.STOPPED, Batch.Status.FAILED):
        raise StateForbids(HAS_ENDED)
    stored = stored_upload(
        content,
        workspace_id=batch.workspace_id,
        mapping=batch.list_mapping,
        is_append=True,
        default_country=batch.default_country,
        hidden_rows=hidden_rows or batch.hidden_rows,
    )
    with stored as upload, transaction.atomic():
        begin_append(
            batch=batch,
            upload=upload,
            hidden_rows=hidden_rows or batch.hidden_rows,
            on_existing=on_existing,
        )
        audit.record("batch.appended", principal=principal, target=batch)
        task_queue.enqueue_on_commit(task_queue.IMPORT_BATCH, batch_id=str(batch.pk))
    batch.refresh_from_db()
    return batch
