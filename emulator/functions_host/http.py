"""The host's HTTP port on 127.0.0.1: the app's routes and Event Grid's webhook."""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from aiohttp import web

from emulator.functions_host.routes import Request, Routes
from emulator.functions_host.webhook import PATH, Answer, Call, Webhook

HOST = "127.0.0.1"
MAX_BODY = 100 * 1024 * 1024
"""The genuine host's limit."""
THREADS = 64


class HttpServer:
    """Serves on an event loop of its own; each request is answered on a thread."""

    url: str

    def __init__(self, routes: Routes, webhook: Webhook, *, port: int = 0) -> None:
        self._routes = routes
        self._webhook = webhook
        self._port = port
        self._server = ThreadPoolExecutor(1, thread_name_prefix="functions-http")
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="functions-request")

    def start(self) -> None:
        """Listen; raises OSError if the port is taken."""
        ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Future()
        self._done = self._server.submit(asyncio.run, self._serve(ready))
        self._done.add_done_callback(lambda done: _pass_on(done, ready))
        try:
            self._loop, self._stop, port = ready.result()
        except OSError:
            self._shut_down()
            raise
        self.url = f"http://{HOST}:{port}"

    def stop(self) -> None:
        """Answer what is being answered and listen no more."""
        self._loop.call_soon_threadsafe(self._stop.set)
        try:
            self._done.result()
        finally:
            self._shut_down()

    def _shut_down(self) -> None:
        self._server.shutdown()
        self._threads.shutdown()

    async def _serve(self, ready: "Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]]") -> None:
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", PATH, self._event_grid)
        app.router.add_route("*", "/{path:.*}", self._function)
        # The host hands a body over as it came; to decompress it is for the function.
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=30, auto_decompress=False)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, self._port).start()
            stop = asyncio.Event()
            ready.set_result((asyncio.get_running_loop(), stop, runner.addresses[0][1]))
            await stop.wait()
        finally:
            await runner.cleanup()

    async def _function(self, request: web.Request) -> web.Response:
        asked = Request(
            request.method, str(request.url), request.path, request.query, _headers(request), await request.read()
        )
        response = await asyncio.get_running_loop().run_in_executor(self._threads, self._routes.answer, asked)
        return web.Response(status=response.status, headers=response.headers, body=response.body)

    async def _event_grid(self, request: web.Request) -> web.Response:
        call = Call(request.method, request.query, _headers(request), await request.read())
        answer: Answer = await asyncio.get_running_loop().run_in_executor(self._threads, self._webhook.answer, call)
        if answer.body is None:
            return web.Response(status=answer.status, headers=answer.headers)
        return web.json_response(answer.body, status=answer.status, headers=answer.headers)


def _headers(request: web.Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _pass_on(done: Future[None], ready: Future[Any]) -> None:
    """Show the caller that waits for the start why it failed."""
    error = done.exception()
    if error is not None and not ready.done():
        ready.set_exception(error)
