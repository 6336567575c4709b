from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("batches", "0020_find_recipients_in_review")]

    operations = [
        migrations.AddField(
            model_name="batch",
            name="max_cost",
            field=models.JSONField(
                blank=True,
                help_text="what its calls may cost: a number in the price table's currency, or "
                "with its currency",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="batch",
            name="budget_spent_at",
            field=models.DateTimeField(
                blank=True,
                help_text="when it paused itself because max_cost was spent",
                null=True,
            ),
        ),
    ]
