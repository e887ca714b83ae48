from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "cyberalarm.central.portal"
    label = "portal"
