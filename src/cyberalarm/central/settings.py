"""Django's settings, derived from the centre's configuration. Nothing here is a secret."""

from __future__ import annotations

from cyberalarm.central import config as _config

CONFIG = _config.load()
CONFIG.data.mkdir(mode=0o700, parents=True, exist_ok=True)

SECRET_KEY = _config.secret_file(CONFIG, "django")
DEBUG = False
ALLOWED_HOSTS = [*CONFIG.allowed_hosts, CONFIG.host, "localhost", "127.0.0.1"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "cyberalarm.central.members.apps.MembersConfig",
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": CONFIG.data / "central.sqlite3",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "Europe/London"
USE_TZ = True
