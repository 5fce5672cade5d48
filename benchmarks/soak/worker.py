"""
Starts the Functions host as the soak needs it: one JSON line for every outcome, and waits that fit into minutes.

Only waits are changed. Production's are minutes (docs/architecture.md, "What waits, and how long"); here a deferred
message comes back within seconds, a lease and the invisibility of a killed worker's messages last seconds, and a retry
inside a request waits for hundredths. No decision that the product takes is another one.
"""

import json
import logging
import sys
import time
from datetime import timedelta
from pathlib import Path

from azure.core.pipeline.transport import RequestsTransport

from emulator.functions_host import __main__ as host
from emulator.functions_host import queues
from shared.intake import deliver
from shared.publishing import engine
from shared.purview.transport import PurviewClient

LEASE = timedelta(seconds=6)
INVISIBLE = 12
LONGEST_RETRY_WAIT = 0.05
PATIENCE = deliver.Patience(
    first=timedelta(seconds=1),
    first_for_lease=timedelta(seconds=1),
    longest=timedelta(seconds=4),
    longest_for_lease=timedelta(seconds=2),
    deferrals=100_000,
)


def main() -> int:
    """Take the file for outcomes from the command line, and give the rest to the host."""
    outcomes = Path(sys.argv[1]).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115 - as long as the process
    logger = logging.getLogger("shared")
    logger.addHandler(_Lines(outcomes.write))
    logger.setLevel(logging.INFO)
    _shorten_waits()
    sys.argv = ["emulator.functions_host", *sys.argv[2:]]
    return host.main()


def _shorten_waits() -> None:
    engine.LEASE = LEASE
    queues.LEASE = INVISIBLE
    _, *others = deliver.Deliveries.__init__.__defaults__ or ()
    deliver.Deliveries.__init__.__defaults__ = (PATIENCE, *others)
    RequestsTransport.sleep = lambda _, duration: _doze(duration)
    assert PurviewClient.__init__.__kwdefaults__ is not None  # noqa: S101 - it has some
    PurviewClient.__init__.__kwdefaults__["sleep"] = _doze


def _doze(seconds: float) -> None:
    time.sleep(min(seconds, LONGEST_RETRY_WAIT))


class _Lines(logging.Handler):
    """Writes what a record carries in `extra`; a line is out of the process before the message is deleted."""

    _OWN = frozenset(vars(logging.makeLogRecord({})))

    def __init__(self, write: object) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        facts = {name: value for name, value in vars(record).items() if name not in self._OWN}
        self._write(json.dumps(facts, default=str) + "\n")  # type: ignore[operator]


if __name__ == "__main__":
    sys.exit(main())
