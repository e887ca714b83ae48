"""What the tests that speak HTTP to the centre share."""

from __future__ import annotations

import json
import socket
import ssl
from typing import TYPE_CHECKING

from django.conf import settings

from cyberalarm.central.enrolment.keys import centre_keys

if TYPE_CHECKING:
    import urllib3

API = "/api/collector/v1/"


def code(answer: urllib3.BaseHTTPResponse) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    problem = json.loads(answer.data)
    assert set(problem) >= {"type", "title", "status", "detail", "code"}
    assert problem["status"] == answer.status
    return str(problem["code"])


def tls(port: int) -> ssl.SSLSocket:
    """A connection to the centre on which anything may be said."""
    context = ssl.create_default_context(cafile=str(centre_keys(settings.CONFIG).certificate.certificate))
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), 30), server_hostname="localhost")
