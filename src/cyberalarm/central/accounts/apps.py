from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "cyberalarm.central.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from cyberalarm.central.accounts import signals

        signals.connect()
