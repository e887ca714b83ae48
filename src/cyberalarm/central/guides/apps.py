from django.apps import AppConfig


class GuidesConfig(AppConfig):
    name = "cyberalarm.central.guides"
    label = "guides"
