"""Django's settings, derived from the centre's configuration. Nothing here is a secret."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from cyberalarm.central import config as _config

CONFIG = _config.load()
_config.make_data_folder(CONFIG)
_SITE = Path(__file__).parent / "site"

SECRET_KEY = _config.secret_file(CONFIG, "django")
DEBUG = False
ALLOWED_HOSTS = [
    *CONFIG.allowed_hosts,
    CONFIG.host,
    urlsplit(CONFIG.url).hostname or "",
    "localhost",
    "127.0.0.1",
]

ROOT_URLCONF = "cyberalarm.central.urls"
ASGI_APPLICATION = "cyberalarm.central.asgi.application"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "cyberalarm.central.site.apps.SiteConfig",
    "cyberalarm.central.accounts.apps.AccountsConfig",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "cyberalarm.central.members.apps.MembersConfig",
    "cyberalarm.central.enrolment.apps.EnrolmentConfig",
    "cyberalarm.central.ingest.apps.IngestConfig",
    "cyberalarm.central.releases.apps.ReleasesConfig",
    "cyberalarm.central.sources.apps.SourcesConfig",
    "cyberalarm.central.alarms.apps.AlarmsConfig",
    "cyberalarm.central.findings.apps.FindingsConfig",
    "cyberalarm.central.trends.apps.TrendsConfig",
    "cyberalarm.central.reports.apps.ReportsConfig",
    "cyberalarm.central.guides.apps.GuidesConfig",
    "cyberalarm.central.portal.apps.PortalConfig",
    "cyberalarm.central.console.apps.ConsoleConfig",
    "cyberalarm.central.audit.apps.AuditConfig",
    "cyberalarm.central.jobs.apps.JobsConfig",
]

MIDDLEWARE = [
    "cyberalarm.central.site.watching.counted",
    "django.middleware.security.SecurityMiddleware",
    "cyberalarm.central.site.middleware.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "cyberalarm.central.accounts.access.SignInRequired",
]

TEMPLATES = [
    {
        # Our own pages: folders named jinja2 in each feature.
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "APP_DIRS": True,
        "OPTIONS": {"environment": "cyberalarm.central.site.templating.environment"},
    },
    {
        # allauth's pages, dressed in the same layout.
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [_SITE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": CONFIG.database.django(CONFIG.data)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "Europe/London"
USE_TZ = True

# People and sign-in
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    # Three random words, as the NCSC advises, are longer than this.
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "cyberalarm.central.accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_SUBJECT_PREFIX = f"{CONFIG.service_name}: "
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https"
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
ACCOUNT_SESSION_REMEMBER = True  # the length of a session is one and the same: SESSION_COOKIE_AGE
# Amount / time / by what. Failed sign-ins count by address of the visitor and by account.
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/300s/key",
    "signup": "10/h/ip",
    "reset_password": "10/m/ip,3/h/key",
}
# The counters behind these limits. With few entries a visitor could push a locked account's counter out of memory.
# Several processes must count together: where there is a server, it counts.
_COUNTERS = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
_SHARED_COUNTERS = {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}
CACHES = {
    "default": {
        **(_SHARED_COUNTERS if CONFIG.database.is_server else _COUNTERS),
        "OPTIONS": {"MAX_ENTRIES": 200_000},
    }
}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = CONFIG.service_name
# One step of 30 seconds either way, for clocks that are a little off (RFC 6238, 5.2).
MFA_TOTP_TOLERANCE = 1

# What browsers are told
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_NAME = "__Host-session"
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "__Host-csrf"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_HTTPONLY = True
CSRF_TRUSTED_ORIGINS = [CONFIG.url]
CSRF_FAILURE_VIEW = "cyberalarm.central.site.views.forbidden_form"
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

STATIC_URL = "/static/"
STATICFILES_DIRS = [_SITE / "static"]

# Mail goes by the host configured; without one each message becomes a file: nothing is lost, nothing is sent.
if CONFIG.email_host:
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST = CONFIG.email_host
    EMAIL_PORT = CONFIG.email_port
    EMAIL_TIMEOUT = 20
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = CONFIG.data / "mail"
DEFAULT_FROM_EMAIL = CONFIG.email_from

# Django's own words reach the log from errors on only: its warnings hold paths, and paths may hold keys.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"lines": {"()": "cyberalarm.central.site.logs.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {"django": {"handlers": ["stderr"], "level": "ERROR", "propagate": False}},
}
