"""Finding a row by the id in a path, and the documented 404 when there is none."""

import uuid

from django.db import models

from voiceops.api.fields import UUID_PATTERN
from voiceops.core.errors import NotFound

# Model name -> label in `<label> not found`, where it differs from the verbose name.
LABELS = {
    "apikey": "API key",
    "membership": "Member",
    "phonenumber": "Phone number",
    "siptrunk": "SIP trunk",
    "webhookendpoint": "Webhook",
}


def label_of(model: type[models.Model]) -> str:
    """Return what clients call a row of the model."""
    return LABELS.get(str(model._meta.model_name), str(model._meta.verbose_name).capitalize())


def not_found(model: type[models.Model]) -> NotFound:
    """Return the documented 404 of a row that does not exist or belongs to another workspace."""
    return NotFound(f"{label_of(model)} not found")


def parse_id(text: object, model: type[models.Model]) -> uuid.UUID:
    """Return the id from a path. Raises NotFound when it is not a UUID."""
    if isinstance(text, uuid.UUID):
        return text
    if not isinstance(text, str) or not UUID_PATTERN.fullmatch(text):
        raise not_found(model)
    return uuid.UUID(text)
