"""The centre as an ASGI application. Static files are served by the site itself (`site.views.static_file`).

The serving process opens the event store and starts receiving before it serves; this module does neither.
"""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cyberalarm.central.settings")

application = get_asgi_application()
