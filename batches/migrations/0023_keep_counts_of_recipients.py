from django.db import migrations, models

from batches.models.count_triggers import create_triggers, drop_triggers


class Migration(migrations.Migration):
    dependencies = [("batches", "0022_keep_saved_reports")]

    operations = [
        migrations.CreateModel(
            name="RecipientCount",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("batch_id", models.UUIDField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("dialing", "Dialing"),
                            ("in_call", "In Call"),
                            ("retrying", "Retrying"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                            ("skipped", "Skipped"),
                            ("cancelled", "Cancelled"),
                            ("review", "Review"),
                        ],
                        max_length=9,
                    ),
                ),
                (
                    "outcome",
                    models.CharField(blank=True, help_text="empty for none", max_length=16),
                ),
                ("reason", models.CharField(blank=True, help_text="empty for none", max_length=64)),
                (
                    "has_attempts",
                    models.BooleanField(help_text="whether an attempt of theirs counts"),
                ),
                (
                    "recipients",
                    models.IntegerField(help_text="how many came, less those that went"),
                ),
                (
                    "is_folded",
                    models.BooleanField(
                        default=False, help_text="whether it is the sum of earlier rows of its key"
                    ),
                ),
            ],
            options={"abstract": False, "default_manager_name": "unscoped"},
            managers=[("unscoped", models.Manager())],
        ),
        migrations.AddIndex(
            model_name="recipientcount",
            index=models.Index(
                fields=["batch_id", "status", "outcome", "reason", "has_attempts"],
                name="recipient_count_key",
            ),
        ),
        migrations.AddIndex(
            model_name="recipientcount",
            index=models.Index(
                fields=["batch_id"],
                name="recipient_count_unfolded",
                condition=models.Q(is_folded=False),
            ),
        ),
        migrations.RunPython(
            lambda apps, editor: create_triggers(editor.connection),
            lambda apps, editor: drop_triggers(editor.connection),
        ),
    ]
