"""What a client reads of a row that it may not see, or that is not there."""

import uuid

from django.db import models

from voiceops.api.fields import UUID_PATTERN
from voiceops.core.errors import NotFound

# Model -> what a client reads in `… not found`. Models not named here are called by their verbose
# name.
LABELS = {
    "apikey": "API key",
    "membership": "Member",
    "phonenumber": "Phone number",
    "siptrunk": "SIP trunk",
    "webhookendpoint": "Webhook",
}


def label_of(model: type[models.Model]) -> str:
    meta = model._meta
    return LABELS.get(str(meta.model_name), str(meta.verbose_name).capitalize())


def not_found(model: type[models.Model]) -> NotFound:
    """The 404 for a row that is not there or another workspace's, by the documented pattern."""
    return NotFound(f"{label_of(model)} not found")


def parse_id(text: object, model: type[models.Model]) -> uuid.UUID:
    """An id out of a path. Raises NotFound for what is no UUID."""
    if isinstance(text, uuid.UUID):
        return text
    if not isinstance(text, str) or not UUID_PATTERN.fullmatch(text):
        raise not_found(model)
    return uuid.UUID(text)
