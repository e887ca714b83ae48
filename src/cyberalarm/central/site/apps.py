from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "cyberalarm.central.site"
    label = "site"
