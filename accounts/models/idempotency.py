from django.db import models

from voiceops.core.ids import uuid7


class IdempotentRequest(models.Model):
    """A POST that came with an `Idempotency-Key`, and what was answered.

    `scope` names who asked (a user, a key, or an address without credentials) and where. `answer`
    is the stored response, encrypted, because it may carry a new key or token; null while the first
    request is still running.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    scope = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    answer = models.TextField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scope", "key"], name="idempotency_key_once")
        ]

    def __str__(self) -> str:
        return f"idempotent request {self.pk}"
