from django.db import migrations, models

from voiceops.db.indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("telephony", "0015_sum_up_costs")]

    operations = [
        AddIndexOnline(
            model_name="inboxevent",
            index=models.Index(fields=["received_at"], name="inbox_newest"),
        )
    ]
