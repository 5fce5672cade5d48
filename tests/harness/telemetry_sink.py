"""Application Insights on loopback: it takes what is exported, and gives the app the token that it asks for."""

import gzip
import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trustme

TOKEN = "token-of-the-app"  # noqa: S105 - it opens nothing
SECRET = "secret-of-the-platform"  # noqa: S105 - neither does this
CLIENT = "00000000-0000-4000-8000-00000000c11e"
SILENT = {
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    "OTEL_TRACES_SAMPLER": "microsoft.fixed_percentage",
    "OTEL_TRACES_SAMPLER_ARG": "1.0",
}
"""Keeps the exporter from sending figures about itself to its maker, and from leaving out spans on a slow machine."""


@dataclass
class Sink:
    """
    What came in.

    Attributes:
        settings: the app settings that point the host's worker here, as the deployment has them.
        envelopes: the items in the order in which they came.
        tokens: the `Authorization` of each request with items.
        refused: requests that the service would not have answered.
    """

    settings: dict[str, str] = field(default_factory=dict)
    envelopes: list[dict[str, Any]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)

    def metrics(self, name: str) -> list[tuple[dict[str, str], float]]:
        """Return attributes and value of each point of a metric."""
        return [
            (data.get("properties", {}), metric["value"])
            for data in self._of("MetricData")
            for metric in data["metrics"]
            if metric["name"] == name
        ]

    def spans(self, name: str) -> list[dict[str, Any]]:
        """Return the spans of a name."""
        return [data for data in self._of("RemoteDependencyData") if data["name"] == name]

    def lines(self, message: str) -> list[dict[str, str]]:
        """Return the fields of each line of the log that says this."""
        return [data.get("properties", {}) for data in self._of("MessageData") if data["message"] == message]

    def _of(self, kind: str) -> Iterator[dict[str, Any]]:
        for envelope in self.envelopes:
            if envelope["data"]["baseType"] == kind:
                yield envelope["data"]["baseData"]


@contextmanager
def open_sink(folder: Path, *authorities: str) -> Iterator[Sink]:
    """
    Listen on loopback until the end, over TLS; `authorities` are PEM files that the app must trust besides.

    Items: `POST /v2.1/track` of Azure/azure-rest-api-specs, specification/applicationinsights, as the package
    azure-monitor-opentelemetry-exporter sends it. Tokens: "REST endpoint reference" of Microsoft Learn's page on
    managed identities of App Service. Live metrics: the same package; no one watches them.
    """
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path.startswith("/QuickPulseService.svc/"):
                self._answer({}, {"x-ms-qps-subscribed": "false"})
                return
            if self.path != "/v2.1/track":
                sink.refused.append(self.path)
                self.send_error(404)
                return
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            items = json.loads(body)
            sink.tokens.add(self.headers.get("Authorization", ""))
            sink.envelopes += items
            self._answer({"itemsReceived": len(items), "itemsAccepted": len(items), "errors": []})

        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            if self.headers.get("X-IDENTITY-HEADER") != SECRET or asked.get("client_id") != [CLIENT]:
                sink.refused.append(self.path)
                self.send_error(400)
                return
            expires = str(int(time.time()) + 86_400)
            self._answer({"access_token": TOKEN, "expires_on": expires, "token_type": "Bearer", **_first(asked)})

        def _answer(self, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
            content = json.dumps(body).encode()
            self.send_response(200)
            for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusted = folder / "authorities.pem"
    trusted.write_bytes(authority.cert_pem.bytes() + b"".join(Path(each).read_bytes() for each in authorities))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = f"https://127.0.0.1:{server.server_port}"
        sink.settings = {
            **SILENT,
            "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": f"ClientId={CLIENT};Authorization=AAD",
            "APPLICATIONINSIGHTS_CONNECTION_STRING": (
                f"InstrumentationKey={CLIENT};IngestionEndpoint={url}/;LiveEndpoint={url}/"
            ),
            "IDENTITY_ENDPOINT": f"{url}/msi/token",
            "IDENTITY_HEADER": SECRET,
            "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "true",
            "REQUESTS_CA_BUNDLE": str(trusted),
            "TMPDIR": str(folder),
        }
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield sink
        finally:
            server.shutdown()
            thread.join()


def _first(asked: dict[str, list[str]]) -> dict[str, str]:
    return {name: asked[name][0] for name in ("resource", "client_id") if name in asked}
