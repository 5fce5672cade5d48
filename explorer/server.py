"""Serves the page on loopback, to this machine's browser only."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Flask, Response, request
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from explorer.app import build_app
from explorer.reading import Reading

if TYPE_CHECKING:
    from shared.bootstrap import Services

HOST = "127.0.0.1"
_LOOPBACK = frozenset({"127.0.0.1", "localhost"})
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)
"""Nothing is fetched from anywhere else; Dash itself needs the inline script."""


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing of requests: the terminal is for what people should read."""


def make_explorer(services: "Services", *, port: int = 0) -> BaseWSGIServer:
    """
    Build the server; it answers once `serve_forever` is called. Port 0 is any that is free.

    Raises:
        OSError: the port is in use.
    """
    app = build_app(Reading(services))
    _guard(app.server)
    # Given a port that is taken, Werkzeug would print advice of its own and end the process.
    with socket.create_server((HOST, port)) as listening:
        return make_server(
            HOST,
            listening.getsockname()[1],
            app.server,
            threaded=True,
            request_handler=_Quiet,
            fd=listening.fileno(),
        )


@contextmanager
def serving(services: "Services", *, port: int = 0) -> Iterator[str]:
    """Serve the page from a thread, as long as the context lasts; gives its address."""
    server = make_explorer(services, port=port)
    thread = Thread(target=server.serve_forever, name="explorer", daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _guard(server: Flask) -> None:
    """
    Refuse what does not come from a page of ours.

    Any web page that is open in the browser can send requests to loopback. A name of its own that it makes point there
    (DNS rebinding) shows in `Host`; a request across sites shows in `Origin`.
    """

    @server.before_request
    def _refuse() -> Response | None:
        origin = request.headers.get("Origin")
        if not is_loopback(request.host) or (origin and urlsplit(origin).netloc != request.host):
            return Response("Lineage is shown at 127.0.0.1 and localhost only.\n", 403, mimetype="text/plain")
        return None

    @server.after_request
    def _protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response


def is_loopback(host: str) -> bool:
    """
    Whether a Host header means this machine.

    >>> is_loopback("127.0.0.1:8050"), is_loopback("localhost"), is_loopback("127.0.0.1.evil.example:8050")
    (True, True, False)
    """
    name, _, port = host.partition(":")
    return name.lower() in _LOOPBACK and (port.isdecimal() or not port)
