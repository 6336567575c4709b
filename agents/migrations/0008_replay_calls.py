from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("agents", "0007_keep_voice_workers"),
    ]

    operations = [
        migrations.AddField(
            model_name="rehearsal",
            name="replay",
            field=models.JSONField(
                blank=True,
                help_text="ids of calls that are replayed; null for scripts",
                null=True,
            ),
        ),
    ]
