from django.apps import AppConfig


class IngestConfig(AppConfig):
    name = "cyberalarm.central.ingest"
    label = "ingest"
    default_auto_field = "django.db.models.BigAutoField"
