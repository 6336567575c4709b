"""A client made with openapi-generator: uploads a list, follows it, reads its results."""

import sys
import time
from pathlib import Path
from uuid import UUID

from openapi_generator_made import ApiClient, BatchesApi, BatchStart, Configuration

url, key, agent, number, file = sys.argv[1:]
with ApiClient(Configuration(host=url, access_token=key)) as client:
    batches = BatchesApi(client)
    batch = batches.batches_create(
        name="openapi-generator",
        agent_id=UUID(agent),
        phone_number_id=UUID(number),
        start=BatchStart.NOW,
        file=("list.csv", Path(file).read_bytes()),
        _content_type="multipart/form-data",
    )
    while batch.status not in {"completed", "stopped", "failed"}:
        time.sleep(0.3)
        batch = batches.batches_get(str(batch.id))
    for recipient in batches.batches_recipients_list(str(batch.id)).items:
        sys.stdout.write(f"{recipient.phone_number} {recipient.outcome}\n")
