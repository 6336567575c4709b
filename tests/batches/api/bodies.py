"""Request bodies and readers for the tests of this folder."""

from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from agents.models import Agent
from batches.models import Batch
from batches.services.imports import import_batch
from telephony.models import PhoneNumber

LIST = b"phone,first_name\n+12025550186,Ada\n+12025550187,Grace\n"


def upload(content: bytes = LIST, name: str = "list.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def order(agent: Agent, number: PhoneNumber, **fields: Any) -> dict[str, Any]:
    return {
        "name": "Reminders",
        "agent_id": str(agent.pk),
        "phone_number_id": str(number.pk),
        **fields,
    }


def read_list(batch_id: str) -> Batch:
    """Import the batch's list, as a worker does."""
    import_batch(batch_id)
    return Batch.unscoped.get(pk=batch_id)


def read(response: Any) -> str:
    return b"".join(response.streaming_content).decode()
