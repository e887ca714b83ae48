from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "cyberalarm.central.console"
    label = "console"
