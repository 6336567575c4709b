from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.db import models

from voiceops.core.ids import uuid7

KEY_LIFETIME = timedelta(hours=24)


class IdempotentRequestQuerySet(models.QuerySet["IdempotentRequest"]):
    def expired(self, now: datetime) -> Self:
        return self.filter(created_at__lt=now - KEY_LIFETIME)


class IdempotentRequest(models.Model):
    """A POST that came with an `Idempotency-Key`, and its response.

    `scope` is a principal (a user, a key, or an address without credentials) and a place. `answer`
    is the stored response, encrypted because it may carry a new key or token; it is null while the
    first request is still running.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    scope = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    answer = models.TextField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    objects: ClassVar[models.Manager["IdempotentRequest"]] = IdempotentRequestQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scope", "key"], name="idempotency_key_once")
        ]

    def __str__(self) -> str:
        return f"idempotent request {self.pk}"
