"""The host's HTTP port on 127.0.0.1: the app's routes, Event Grid's webhook, and what the host says of itself."""

import asyncio
import os
import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from aiohttp import web

from emulator.functions_host.routes import Request, Response

HOST = "127.0.0.1"
MAX_BODY = 100 * 1024 * 1024
"""The genuine host's limit."""
THREADS = 400
"""More than calls at a time: that one waits is to be the worker's doing and not ours."""

Answer = Callable[[Request], Response]


class HttpServer:
    """
    Serves on an event loop of its own; each request is answered on a thread.

    ``listener`` is the socket of a process before us, in which requests may wait already.
    """

    url: str

    def __init__(self, answer: Answer, *, port: int = 0, listener: int | None = None, patience: float = 10.0) -> None:
        self._answer = answer
        self._port = port
        self._listener = listener
        self._patience = patience
        self._server = ThreadPoolExecutor(1, thread_name_prefix="functions-http")
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="functions-request")

    def start(self) -> None:
        """Listen; raises OSError if the port is taken."""
        opened = socket.socket(fileno=self._listener) if self._listener is not None else None
        self._socket = opened or socket.create_server((HOST, self._port), backlog=1024)
        ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._done = self._server.submit(asyncio.run, self._serve(ready))
        self._done.add_done_callback(lambda done: _pass_on(done, ready))
        try:
            self._loop, self._stop = ready.result()
        except BaseException:
            self._socket.close()
            self._shut_down()
            raise
        self.url = f"http://{HOST}:{self._socket.getsockname()[1]}"

    def stop(self) -> None:
        """Refuse new requests at once, and give those that are being answered until the patience is over."""
        self._loop.call_soon_threadsafe(self._stop.set)
        try:
            self._done.result()
        finally:
            self._shut_down()

    def hand_over(self) -> int:
        """Answer what is being answered and stop; returns a socket for the next process, in which new requests wait."""
        listener = os.dup(self._socket.fileno())
        os.set_inheritable(listener, True)
        self.stop()
        return listener

    def _shut_down(self) -> None:
        self._server.shutdown()
        self._threads.shutdown(wait=False)

    async def _serve(self, ready: "Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]") -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        # The host hands a body over as it came; to decompress it is for the function.
        runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=self._patience, auto_decompress=False
        )
        await runner.setup()
        try:
            await web.SockSite(runner, self._socket).start()
            stop = asyncio.Event()
            ready.set_result((asyncio.get_running_loop(), stop))
            await stop.wait()
        finally:
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        body = await _read(request)
        if body is None:
            return web.Response(status=500)
        asked = Request(
            request.method,
            str(request.url),
            request.path,
            request.query,
            {name.lower(): value for name, value in request.headers.items()},
            body,
            has_length=request.content_length is not None,
        )
        response = await asyncio.get_running_loop().run_in_executor(self._threads, self._answer, asked)
        return web.Response(status=response.status, headers=response.headers, body=response.body)


async def _read(request: web.Request) -> bytes | None:
    """Read the whole body; None if it is larger than the host takes."""
    pieces, size = [], 0
    async for piece in request.content.iter_any():
        size += len(piece)
        if size <= MAX_BODY:
            pieces.append(piece)
    return b"".join(pieces) if size <= MAX_BODY else None


def _pass_on(done: Future[None], ready: Future[Any]) -> None:
    """Show the caller that waits for the start why it failed."""
    error = done.exception()
    if error is not None and not ready.done():
        ready.set_exception(error)
