"""Run the emulator from a shell: ``python -m emulator --port 0 --scenario credit-risk``."""

import argparse
import json
import signal
import sys
import threading
from contextlib import ExitStack

from emulator.scenarios import UnknownScenarioError, scenario_names
from emulator.server import Emulator


def main() -> int:
    """Print where everything is as one JSON line, then serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m emulator", description="Azure ML and Purview on loopback.")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0, the default, takes a free one")
    parser.add_argument(
        "--scenario",
        default="empty",
        help=f"{', '.join(scenario_names())}; chain:100 has 100 steps, fleet:100 has 100 runs; default: empty",
    )
    parser.add_argument("--latency-ms", type=float, default=0, help="wait this long before every answer of a service")
    parser.add_argument(
        "--commit-ms", type=float, default=0, help="a write to the catalog commits so long after its check"
    )
    options = parser.parse_args()

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        server = Emulator(
            options.scenario, port=options.port, latency_ms=options.latency_ms, commit_ms=options.commit_ms
        )
    except UnknownScenarioError as problem:
        parser.error(str(problem))
    with ExitStack() as stack:
        try:
            emulator = stack.enter_context(server)
        except (OSError, OverflowError) as problem:
            parser.error(f"port {options.port} cannot be used: {problem}")
        first_line = {
            "azure_ml": emulator.url,
            "purview": emulator.url,
            "ca_bundle": emulator.ca_bundle,
            "env": emulator.environment(),
        }
        print(json.dumps(first_line), flush=True)  # noqa: T201  (the contract with the process that started us)
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
