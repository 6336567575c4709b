from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0015_prove_email_addresses"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="workspace",
            options={
                "default_manager_name": "unscoped",
                "permissions": (
                    ("view_every_workspace", "Can see every workspace, not only their own"),
                    (
                        "view_personal_data",
                        "Can open pages with numbers and conversations in full",
                    ),
                ),
            },
        ),
    ]
