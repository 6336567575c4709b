from django.db import migrations, models
from django.db.models import Q

from voiceops.db.indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("batches", "0019_find_recipients_by_number")]

    operations = [
        AddIndexOnline(
            model_name="recipient",
            index=models.Index(
                fields=["id"], name="recipient_in_review", condition=Q(status="review")
            ),
        )
    ]
