"""Hosts that a wrong endpoint may name: they run, with TLS, and are no service that is emulated."""

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a host answers to every request."""

    status: int
    body: str = ""
    content_type: str = "application/json"


_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"

ANSWERS: Mapping[str, Answer] = {
    "nginx": Answer(404, _PAGE.format("404 Not Found"), "text/html"),
    "web-page": Answer(200, _PAGE.format("Welcome"), "text/html"),
    "web-app-without-a-route": Answer(404),
    "web-server-for-pages": Answer(405, _PAGE.format("405 Not Allowed"), "text/html"),
    "blob-storage": Answer(
        400,
        '<?xml version="1.0" encoding="utf-8"?><Error><Code>InvalidQueryParameterValue</Code><Message>Value for one of '
        "the query parameters specified in the request URI is invalid.</Message></Error>",
        "application/xml",
    ),
    "api-with-problem-details": Answer(
        400,
        '{"type": "about:blank", "title": "Bad Request", "status": 400}',
        "application/problem+json",
    ),
    "azure-api": Answer(404, '{"error": {"code": "404", "message": "Resource not found"}}'),
    "api-that-is-well": Answer(200, '{"status": "ok"}'),
    "api-that-lists": Answer(200, "[]"),
    "api-that-takes-all": Answer(200),
    "api-with-an-empty-page": Answer(200, '{"value": []}'),
    "api-with-pages": Answer(200, '{"value": [{"id": "1"}]}'),
    "api-with-items": Answer(200, '{"id": "1", "name": "a", "properties": {}}'),
}
"""
By kind of host: pages as nginx words them, problem details (RFC 9457), an error of the Blob service as Microsoft
documents it, and the envelope of Azure's REST API guidelines.
"""


@contextmanager
def other_host(kind: str, tls: ssl.SSLContext) -> Iterator[str]:
    """Run one on a free port of this machine; gives its base URL."""
    answer = ANSWERS[kind]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body.encode())))
            self.end_headers()
            self.wfile.write(answer.body.encode())

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the server's names

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        server.daemon_threads = True
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), name=f"other host {kind}", daemon=True).start()
        try:
            yield f"https://{HOST}:{server.server_port}"
        finally:
            server.shutdown()
