"""Run the host as a process: ``python -m emulator.functions_host --app DIR``."""

import argparse
import json
import logging
import os
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

from emulator.functions_host.bindings import MissingSettingError
from emulator.functions_host.host import FunctionsHost
from emulator.functions_host.outputs import Accepted
from emulator.functions_host.runtime import BootError


def main() -> int:
    """Print where everything is as one JSON line, then serve until SIGINT, SIGTERM or the end of standard input."""
    parser = argparse.ArgumentParser(
        prog="python -m emulator.functions_host",
        description="Host a Function app on loopback; app settings are the environment's.",
    )
    parser.add_argument("--app", type=Path, required=True, help="folder with function_app.py and host.json")
    parser.add_argument("--http-port", type=int, default=0, help="port on 127.0.0.1; 0, the default, takes a free one")
    parser.add_argument("--no-http", action="store_true", help="serve neither routes nor the webhook")
    parser.add_argument("--no-queues", action="store_true", help="listen to no queue")
    parser.add_argument("--journal", type=Path, help="append a JSON line for each queue message an output wrote")
    options = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=_wait_for_end_of_input, args=(stop,), daemon=True).start()
    with ExitStack() as stack:
        journal = _open_journal(options.journal, stack) if options.journal else None
        try:
            host = FunctionsHost(options.app, http_port=options.http_port, on_accepted=journal)
            host.start(http=not options.no_http, queues=not options.no_queues)
        except (BootError, MissingSettingError, OSError, ValueError) as problem:
            parser.error(f"{options.app} cannot be hosted: {problem}")
        stack.callback(host.stop)
        first_line = {
            "url": host.url,
            "function_key": host.function_key,
            "system_key": host.system_key,
            "functions": sorted(host.functions),
        }
        print(json.dumps(first_line), flush=True)  # noqa: T201  (the contract with the process that started us)
        stop.wait()
    return 0


def _wait_for_end_of_input(stop: threading.Event) -> None:
    # Not through sys.stdin: a thread that holds its lock when the interpreter ends is a fatal error.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stop.set()


def _open_journal(path: Path, stack: ExitStack) -> Accepted:
    """Open the journal; each line is out of this process before the event is answered, so SIGKILL loses none."""
    file = stack.enter_context(path.open("a", encoding="utf-8"))
    lock = threading.Lock()

    def append(invocation_id: str, body: str) -> None:
        with lock:
            file.write(json.dumps({"invocation_id": invocation_id, "body": body}) + "\n")
            file.flush()

    return append


if __name__ == "__main__":
    sys.exit(main())
