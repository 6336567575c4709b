from django.db import migrations, models

from voiceops.db.indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("batches", "0018_describe_zones_of_postal_codes")]

    operations = [
        AddIndexOnline(
            model_name="recipient",
            index=models.Index(fields=["phone_number"], name="recipient_number"),
        )
    ]
