"""The types of answers: `Agent`, `Batch`, `Call` and the rest, as the OpenAPI document has them."""

from voiceops._generated.models import *  # noqa: F403  # that is what this module is for
