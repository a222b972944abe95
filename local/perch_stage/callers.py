"""Callers of a service over HTTP: one connection for each thread, no retries, so that a failure is counted and not hidden."""

from __future__ import annotations

import http.client
import select
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from urllib.parse import urlsplit

from perch_stage.ledger import UNKNOWN, Answer
from perch_stage.load import Invoke

TIMEOUT = 10.0
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Message
    body: bytes


class Connections:
    """Requests to one server; each thread keeps a connection of its own.

    `host` is the name that the server is asked for, where only the local stack knows that name.
    """

    def __init__(self, url: str, host: str | None = None, timeout: float = TIMEOUT) -> None:
        parts = urlsplit(url)
        self._address, self._path, self._host = parts.netloc, parts.path.rstrip("/"), host or parts.netloc
        self._timeout, self._own = timeout, threading.local()

    def ask(self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None) -> Reply:
        """One request; raises when no answer came."""
        connection = getattr(self._own, "connection", None)
        if connection is None or closed(connection):
            connection = self._own.connection = http.client.HTTPConnection(self._address, timeout=self._timeout)
        try:
            connection.request(method, self._path + path, body, {**(headers or {}), "host": self._host})
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        except (OSError, http.client.HTTPException):
            self._own.connection = None
            connection.close()
            raise


def closed(connection: http.client.HTTPConnection) -> bool:
    """Whether the server has ended an idle connection, as it may at any time (RFC 9112, 9.5): no request is sent on it."""
    if connection.sock is None:
        return False
    look = select.poll()
    look.register(connection.sock, select.POLLIN)
    return bool(look.poll(0))


def http_invoke(
    url: str,
    path: str,
    body: Callable[[str], str] | None = None,
    *,
    host: str | None = None,
    version: str = "x-image-build",
    cookies: bool = False,
) -> Invoke:
    """Sends texts to a path of a service: POST with a body of JSON, or GET without one.

    An answer counts for the version that its header names; 500 and above are failures. With `cookies` each thread sends
    back the cookie that it got last.
    """
    connections, jar = Connections(url, host), threading.local()

    def invoke(text: str) -> Answer:
        kept = {"cookie": jar.cookie} if getattr(jar, "cookie", None) else {}
        if body is None:
            reply = connections.ask("GET", path, None, kept)
        else:
            reply = connections.ask("POST", path, body(text), {**JSON, **kept})
        if cookies:
            jar.cookie = reply.headers.get("set-cookie", "").partition(";")[0]
        return Answer(reply.headers.get(version, UNKNOWN), function_error=reply.status >= 500)

    return invoke
