from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "cyberalarm.central.jobs"
    label = "jobs"
    default_auto_field = "django.db.models.BigAutoField"
