"""The emulator as a server: all services and the control plane on one TLS port of 127.0.0.1."""

import asyncio
import ssl
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import trustme
from aiohttp import web

from emulator.arm import arm_routes
from emulator.azure_ml import azure_ml_routes
from emulator.client import Control
from emulator.control import admin_control_routes, bad_input, control_routes
from emulator.faults.answers import error_response
from emulator.purview import purview_routes
from emulator.purview.pauses import HeldWrites
from emulator.scenarios import Scenario
from emulator.services import Services
from emulator.tokens import require_token

HOST = "127.0.0.1"

# Lines of 64 KiB: the services themselves decide how long a URL may be (Purview's gateway answers 414).
MAX_LINE = 65536
MAX_BODY = 512 * 1024 * 1024


async def _unknown_catalog_path(request: web.Request) -> web.Response:
    message = f"HTTP 404 Not Found: {request.method} {request.path}"
    return web.json_response({"errorCode": "ATLAS-404-00-000", "errorMessage": message}, status=404)


async def _unknown_administrative_path(request: web.Request) -> web.Response:
    return error_response(404, f"Microsoft Purview has no {request.method} {request.path}.")


async def _unknown_control_path(request: web.Request) -> web.Response:
    return error_response(404, f"The control plane has no {request.method} {request.path}.")


def create_app(services: Services) -> web.Application:
    """Assemble the application; Azure ML comes last because every other path is its own."""
    app = web.Application(
        middlewares=[services.log.middleware(), services.faults.middleware(), require_token, bad_input],
        client_max_size=MAX_BODY,
    )
    app.add_routes(control_routes(services))
    app.add_routes(admin_control_routes(services))
    app.add_routes(purview_routes(lambda: services.purview))
    app.router.add_route("*", "/_emulator/{tail:.*}", _unknown_control_path)
    app.router.add_route("*", "/{service:datamap|catalog}/api/{tail:.*}", _unknown_catalog_path)
    app.router.add_route("*", "/{service:(?i:account|policystore|scan)}/{tail:.*}", _unknown_administrative_path)
    app.add_routes(arm_routes(lambda: services.arm))
    app.add_routes(azure_ml_routes(lambda: services.azure_ml))
    return app


@dataclass(frozen=True, slots=True)
class _Running:
    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event
    port: int


class Emulator:
    """
    A running emulator; its event loop has a thread of its own.

    Use it as a context manager. ``url`` and ``ca_bundle`` are all a client
    needs, ``control`` steers it.
    """

    control: Control
    ca_bundle: str
    url: str
    tls: ssl.SSLContext

    def __init__(self, scenario: str = "empty", *, port: int = 0, latency_ms: float = 0, commit_ms: float = 0) -> None:
        self.services = Services(Scenario.parse(scenario), latency_ms, commit_ms)
        self._port = port
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="emulator")

    def __enter__(self) -> Self:
        self._directory = TemporaryDirectory(prefix="emulator-", ignore_cleanup_errors=True)
        authority = trustme.CA(organization_name="Azure ML and Purview emulator")
        ca_bundle = Path(self._directory.name) / "ca.pem"
        authority.cert_pem.write_to_path(str(ca_bundle))
        self.tls = context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST, "localhost").configure_cert(context)

        ready: Future[_Running] = Future()
        self._server = self._threads.submit(asyncio.run, self._serve(context, ready))
        either: list[Future[Any]] = [ready, self._server]
        wait(either, return_when=FIRST_COMPLETED)
        if self._server.done():
            self._threads.shutdown()
            self._directory.cleanup()
            self._server.result()  # raises what kept it from starting, such as a port in use
        self._running = ready.result()
        self.url = f"https://{HOST}:{self._running.port}"
        self.ca_bundle = str(ca_bundle)
        self.control = Control(self.url, self.ca_bundle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.control.close()
        self._running.loop.call_soon_threadsafe(self._running.stop.set)
        self._server.result()
        self._threads.shutdown()
        self._directory.cleanup()

    async def _serve(self, context: ssl.SSLContext, ready: "Future[_Running]") -> None:
        runner = web.AppRunner(
            create_app(self.services),
            access_log=None,
            handle_signals=False,
            shutdown_timeout=1,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, self._port, ssl_context=context).start()
            stop = asyncio.Event()
            ready.set_result(_Running(asyncio.get_running_loop(), stop, runner.addresses[0][1]))
            await stop.wait()
            # A TLS goodbye would wait for the client's: connections that are still open are cut instead.
            for connection in runner.server.connections if runner.server else ():
                if connection.transport is not None:
                    connection.transport.abort()
        finally:
            await runner.cleanup()

    @contextmanager
    def held_writes(self) -> Iterator[HeldWrites]:
        """
        Let every write to the catalog wait between its check and its commit, until it is committed by the test.

        What still waits at the end of the block is committed, in the order in which it was checked. A reset keeps it.
        """
        held = HeldWrites(self._running.loop)
        self.services.pauses.held = held
        try:
            yield held
        finally:
            self.services.pauses.held = None
            held.end()

    def environment(self, storage: str | None = None) -> dict[str, str]:
        """Give the app settings that point the app at this emulator; state goes to a file that ends with it."""
        return {
            "PURVIEW_ENDPOINT": self.url,
            "LINEAGE_ARM_ENDPOINT": self.url,
            "LINEAGE_CREDENTIAL": "emulator",
            "LINEAGE_CA_BUNDLE": self.ca_bundle,
            "LINEAGE_WORKSPACES": ",".join(self.services.azure_ml.workspace_ids()),
            "LINEAGE_STORAGE": storage or f"sqlite:///{Path(self._directory.name) / 'lineage.sqlite'}",
        }
