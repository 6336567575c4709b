from django.db import migrations, models

from voiceops.db.indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("telephony", "0011_keep_usage_cost_and_latency")]

    operations = [
        AddIndexOnline(
            model_name="call", index=models.Index(fields=["to_number", "-id"], name="call_to")
        )
    ]
