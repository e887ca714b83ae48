"""A process that has a part of the centre's work answers for that part only: what was sent to the wrong one is told so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyberalarm.central.roles import answers

if TYPE_CHECKING:
    from cyberalarm.central.connections import Application, Message, Receive, Send
    from cyberalarm.central.roles import Role

# RFC 9110, 15.5.20: directed at a server that cannot answer for this address.
_MISDIRECTED = 421
_BODY = b'{"type":"about:blank","title":"Misdirected request","status":421,"code":"misdirected"}'


class PartOnly:
    """Wraps an ASGI application: paths of other parts are answered with 421."""

    def __init__(self, application: Application, roles: frozenset[Role]) -> None:
        self._application = application
        self._roles = roles

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or answers(scope["path"], self._roles):
            await self._application(scope, receive, send)
            return
        headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(_BODY)).encode())]
        await send({"type": "http.response.start", "status": _MISDIRECTED, "headers": headers})
        await send({"type": "http.response.body", "body": _BODY})
