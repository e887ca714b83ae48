from django.apps import AppConfig


class AlarmsConfig(AppConfig):
    name = "cyberalarm.central.alarms"
    label = "alarms"
