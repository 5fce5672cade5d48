"""Run the host as a process: ``python -m emulator.functions_host --app DIR``."""

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from emulator.clock import Clock
from emulator.functions_host.host import FunctionsHost
from emulator.functions_host.keys import Keys
from emulator.functions_host.outputs import Accepted
from emulator.functions_host.queues import NEWEST_EXTENSION
from emulator.functions_host.runtime import BootError

RESUME = "EMULATOR_FUNCTIONS_HOST_RESUME"
"""For a process that replaces another: the socket and the keys to go on with."""


def main() -> int:
    """Print where everything is as one JSON line, then serve until SIGINT, SIGTERM or the end of standard input."""
    resumed = json.loads(os.environ.pop(RESUME, "{}"))
    environment = dict(os.environ)
    parser = _parser()
    options = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=_wait_for_end_of_input, args=(stop,), daemon=True).start()
    with ExitStack() as stack:
        journal = _open_journal(options.journal, stack) if options.journal else None
        keys = Keys(**resumed["keys"]) if resumed else Keys()
        clock = Clock(options.speed, resumed.get("start", options.start))
        try:
            host = FunctionsHost(
                options.app,
                http_port=options.http_port,
                on_accepted=journal,
                keys=keys,
                clock=clock,
                storage_extension=options.storage_extension,
                listener=resumed.get("listener"),
                restart_worker=lambda listener: _replace_process(environment, listener, keys, clock),
            )
            host.start(http=not options.no_http, queues=not options.no_queues, timers=not options.no_timers)
        except (BootError, OSError, ValueError) as problem:
            parser.error(f"{options.app} cannot be hosted: {problem}")
        if not resumed:
            first_line = {
                "url": host.url,
                "function_key": keys.function,
                "system_key": keys.system,
                "master_key": keys.master,
                "state": host.state,
                "functions": sorted(host.functions),
                "errors": host.errors,
            }
            print(json.dumps(first_line), flush=True)  # noqa: T201  (the contract with the process that started us)
        stop.wait()
        if not host.stop():
            # What still runs is cut off: a thread cannot be stopped, but its process can.
            os._exit(0)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m emulator.functions_host",
        description="Host a Function app on loopback; app settings are the environment's.",
    )
    parser.add_argument("--app", type=Path, required=True, help="folder with function_app.py and host.json")
    parser.add_argument("--http-port", type=int, default=0, help="port on 127.0.0.1; 0, the default, takes a free one")
    parser.add_argument("--no-http", action="store_true", help="serve neither routes nor the webhook")
    parser.add_argument("--no-queues", action="store_true", help="listen to no queue")
    parser.add_argument("--no-timers", action="store_true", help="let no timer tick")
    parser.add_argument("--journal", type=Path, help="append a JSON line for each queue message an output wrote")
    parser.add_argument(
        "--storage-extension",
        default=NEWEST_EXTENSION,
        metavar="VERSION",
        help="version of the storage extension; from 5.3.8 on a poison queue's function gets a message again that is "
        f"over maxDequeueCount (default: {NEWEST_EXTENSION})",
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=1.0,
        help="how many times as fast as the real clock leases, polls and schedules are",
    )
    parser.add_argument(
        "--start",
        type=float,
        default=time.time(),
        help="seconds since 1970 at which the fast clock shows the real time, the same as for Azurite",
    )
    return parser


def _replace_process(environment: Mapping[str, str], listener: int | None, keys: Keys, clock: Clock) -> NoReturn:
    """Begin again, with the same settings, keys and port: what ran in this process is gone."""
    sys.stderr.flush()
    resume = json.dumps({"listener": listener, "keys": keys.to_json(), "start": clock.start})
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**environment, RESUME: resume})  # noqa: S606


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
