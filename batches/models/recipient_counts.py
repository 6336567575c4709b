"""How many recipients of a batch are alike, kept by the database itself.

Triggers (batches/models/count_triggers.py) write here in the statement that inserts, moves or
deletes recipients, so that no path can forget to, and so that the sum is exact for whoever reads it
(docs/decisions/0019-counts-by-triggers.md).
"""

from django.db import models

from accounts.tenancy import NoDefaultManagerModel
from batches.models.recipients import RecipientStatus


class RecipientCount(NoDefaultManagerModel):
    """A number of recipients that came to be alike, or ceased to be. Rows of one key are added up.

    The batch is a plain id: what the deletion of a batch's recipients writes must not keep it from
    being deleted.
    """

    id = models.BigAutoField(primary_key=True)
    batch_id = models.UUIDField()
    status = models.CharField(max_length=9, choices=RecipientStatus.choices)
    outcome = models.CharField(max_length=16, blank=True, help_text="empty for none")
    reason = models.CharField(max_length=64, blank=True, help_text="empty for none")
    has_attempts = models.BooleanField(help_text="whether an attempt of theirs counts")
    recipients = models.IntegerField(help_text="how many came, less those that went")
    is_folded = models.BooleanField(
        default=False, help_text="whether it is the sum of earlier rows of its key"
    )

    class Meta(NoDefaultManagerModel.Meta):
        indexes = [
            models.Index(
                fields=["batch_id", "status", "outcome", "reason", "has_attempts"],
                name="recipient_count_key",
            ),
            models.Index(
                fields=["batch_id"],
                name="recipient_count_unfolded",
                condition=models.Q(is_folded=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.recipients} {self.status} of batch {self.batch_id}"
