from django.db import migrations, models

from voiceops.db.indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("telephony", "0013_count_calls_by_the_hour")]

    operations = [
        AddIndexOnline(
            model_name="call",
            index=models.Index(
                fields=["created_at"],
                name="call_to_recount",
                condition=models.Q(recount_at__isnull=False),
            ),
        )
    ]
