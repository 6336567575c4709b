"""A client made with openapi-python-client: uploads a list, follows it, reads its results."""

import sys
import time
from pathlib import Path
from uuid import UUID

from openapi_python_client_made import AuthenticatedClient
from openapi_python_client_made.api.batches import (
    batches_create,
    batches_get,
    batches_recipients_list,
)
from openapi_python_client_made.models import (
    Batch,
    BatchStart,
    NewBatchUploadRequest,
    RecipientPage,
)
from openapi_python_client_made.types import File

url, key, agent, number, file = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=key)
with Path(file).open("rb") as content:
    body = NewBatchUploadRequest(
        name="openapi-python-client",
        agent_id=UUID(agent),
        phone_number_id=UUID(number),
        start=BatchStart.NOW,
        file=File(payload=content, file_name="list.csv", mime_type="text/csv"),
    )
    batch = batches_create.sync(client=client, body=body)
while isinstance(batch, Batch) and batch.status not in {"completed", "stopped", "failed"}:
    time.sleep(0.3)
    batch = batches_get.sync(str(batch.id), client=client)
if not isinstance(batch, Batch):
    sys.exit(f"Refused: {batch}")
page = batches_recipients_list.sync(str(batch.id), client=client)
if not isinstance(page, RecipientPage):
    sys.exit(f"Refused: {page}")
for recipient in page.items:
    sys.stdout.write(f"{recipient.phone_number} {recipient.outcome}\n")
