from django.db import migrations, models

from voiceops.db.indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("telephony", "0014_find_calls_to_recount")]

    operations = [
        AddIndexOnline(
            model_name="call",
            index=models.Index(
                fields=["batch_id", "cost_micros"],
                name="call_cost_by_batch",
                condition=models.Q(batch_id__isnull=False, cost_micros__isnull=False),
            ),
        ),
        AddIndexOnline(
            model_name="call",
            index=models.Index(
                fields=["workspace", "ended_at", "cost_micros"],
                name="call_cost_by_end",
                condition=models.Q(ended_at__isnull=False),
            ),
        ),
    ]
