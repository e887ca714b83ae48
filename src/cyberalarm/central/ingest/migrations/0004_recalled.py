from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ingest", "0003_packs")]

    operations = [
        migrations.AddField("ledgertotal", "recalled", models.BigIntegerField(default=0, db_default=0)),
    ]
