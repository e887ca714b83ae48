import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ingest", "0005_spans")]

    operations = [
        migrations.CreateModel(
            name="Group",
            fields=[
                ("token", models.CharField(max_length=36, primary_key=True, serialize=False)),
                ("owner", models.CharField(max_length=36)),
                ("lease", models.DateTimeField()),
                ("stored", models.DateTimeField()),
                ("senders", models.JSONField()),
            ],
        ),
        migrations.AddField("envelope", "group", models.CharField(max_length=36, null=True)),
        migrations.AddField("envelope", "position", models.IntegerField(null=True)),
        migrations.AlterField(
            "envelope",
            "state",
            models.CharField(
                choices=[("storing", "Being stored"), ("stored", "Stored"), ("quarantined", "Put aside")], max_length=12
            ),
        ),
        migrations.CreateModel(
            name="Quarantined",
            fields=[
                (
                    "envelope",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="quarantined",
                        serialize=False,
                        to="ingest.envelope",
                    ),
                ),
                ("code", models.CharField(max_length=32)),
                ("reason", models.CharField(max_length=300)),
                ("at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("held", "Put aside"),
                            ("asked", "To be tried again"),
                            ("released", "Stored after all"),
                            ("discarded", "Discarded"),
                        ],
                        default="held",
                        max_length=12,
                    ),
                ),
                ("decided", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ("-at",),
                "indexes": [
                    models.Index(
                        fields=["state"],
                        name="quarantine_open",
                        condition=models.Q(("state__in", ("held", "asked"))),
                    )
                ],
            },
        ),
    ]
