from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0016_permit_staff_by_workspace")]

    operations = [
        migrations.AddField(
            model_name="workspace",
            name="max_cost_per_day",
            field=models.JSONField(
                blank=True,
                help_text="what its calls may cost in a day of its time zone: a number in the "
                "price table's currency, or with its currency",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="workspace",
            name="budget_spent_until",
            field=models.DateTimeField(
                blank=True, help_text="until then the budget of the day is spent", null=True
            ),
        ),
    ]
