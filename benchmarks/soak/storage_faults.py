"""A proxy before Azurite that fails some requests: refused, or cut before or after they had their effect."""

import asyncio
import random
import threading
from collections import Counter
from typing import Self

HEAD_LIMIT = 64 * 1024
_BUSY = b"HTTP/1.1 503 Server Busy\r\nx-ms-error-code: ServerBusy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class StorageFaults:
    """
    Three ports in a row that forward to Azurite's three; `rate` of the requests fail, as the seed says.

    A request signature covers no host or port, so Azurite accepts what is forwarded as it came.
    """

    def __init__(self, azurite_port: int, *, base_port: int, rate: float, seed: int) -> None:
        self._azurite_port = azurite_port
        self.base_port = base_port
        self.rate = rate
        self._random = random.Random(f"storage {seed}")  # noqa: S311 - a choice, not a secret
        self.counts: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        for offset in range(3):
            asyncio.run_coroutine_threadsafe(self._listen(offset), self._loop).result(timeout=10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._cancel_all(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)

    async def _cancel_all(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, offset: int) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await self._serve(reader, writer, self._azurite_port + offset)
            except (OSError, asyncio.IncompleteReadError):
                pass  # one side has gone
            finally:
                writer.close()

        await asyncio.start_server(serve, "127.0.0.1", self.base_port + offset, limit=HEAD_LIMIT)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", port, limit=HEAD_LIMIT)
        try:
            while request := await _read_message(reader):
                self.counts["requests"] += 1
                fault = self._choose()
                if fault == "busy":
                    writer.write(_BUSY)
                    await writer.drain()
                    return
                if fault == "cut before":
                    return
                upstream_writer.write(request)
                await upstream_writer.drain()
                answer = await _read_message(upstream_reader, answer=True, head=request.startswith(b"HEAD"))
                if fault == "cut after" or not answer:
                    return
                writer.write(answer)
                await writer.drain()
        finally:
            upstream_writer.close()

    def _choose(self) -> str:
        if self._random.random() >= self.rate:
            return ""
        fault = self._random.choice(("busy", "cut before", "cut after"))
        self.counts[fault] += 1
        return fault


async def _read_message(reader: asyncio.StreamReader, *, answer: bool = False, head: bool = False) -> bytes:
    """Read one HTTP/1.1 message with its body; nothing if the other side has closed."""
    try:
        start = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in start.split(b"\r\n")[1:])
    }
    status = start.split(b" ", 2)[1] if answer else b""
    if head or status in (b"204", b"304") or status.startswith(b"1"):
        return start
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        body = b""
        while True:
            line = await reader.readuntil(b"\r\n")
            chunk = await reader.readexactly(int(line.split(b";")[0], 16) + 2)
            body += line + chunk
            if line.split(b";")[0].strip() == b"0":
                return start + body
    return start + await reader.readexactly(int(headers.get(b"content-length", b"0")))
