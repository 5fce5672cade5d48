"""
Starts the Functions host as the soak needs it: one JSON line for every outcome, and waits that fit into minutes.

Only waits are changed, and with CLOCK and NEWER in its environment what a publisher takes for the time, and whether it
writes members that this version does not know. Production's waits are minutes (docs/architecture.md, "What waits, and
how long"); here a deferred message comes back within seconds, a lease and the invisibility of a killed worker's
messages last seconds, and a retry inside a request waits for hundredths. No decision that the product takes is another.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from azure.core.pipeline.transport import RequestsTransport

from emulator.functions_host import __main__ as host
from emulator.functions_host import host_json, queues
from shared import bootstrap
from shared.intake import deliver, message
from shared.openlineage.job_run import Fact
from shared.publishing import engine
from shared.purview.transport import PurviewClient
from shared.state import azure_ledger, azure_table

CLOCK, NEWER = "SOAK_CLOCK", "SOAK_NEWER"
"""Seconds by which the clock is ahead; whether this is a version to come."""
LEASE = timedelta(seconds=6)
INVISIBLE, HIDDEN = 12, timedelta(seconds=1)
"""What a killed host had at hand, and what a function has failed at."""
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
    _set_clock(timedelta(seconds=float(os.environ.get(CLOCK, "0"))))
    if os.environ.get(NEWER):
        _write_more()
    sys.argv = ["emulator.functions_host", *sys.argv[2:]]
    return host.main()


def _shorten_waits() -> None:
    engine.LEASE = LEASE
    queues.LEASE = INVISIBLE
    timespan = host_json._timespan

    def hidden_shortly(options: Any, name: str, default: timedelta) -> timedelta:
        return HIDDEN if name == "visibilityTimeout" else timespan(options, name, default)

    host_json._timespan = hidden_shortly
    _, *others = deliver.Deliveries.__init__.__defaults__ or ()
    deliver.Deliveries.__init__.__defaults__ = (PATIENCE, *others)
    RequestsTransport.sleep = lambda _, duration: _doze(duration)
    assert PurviewClient.__init__.__kwdefaults__ is not None  # noqa: S101 - it has some
    PurviewClient.__init__.__kwdefaults__["sleep"] = _doze


def _set_clock(by: timedelta) -> None:
    class MovedTime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + by

    bootstrap.datetime = message.datetime = MovedTime  # type: ignore[attr-defined]


def _write_more() -> None:
    """Write what a version to come may add to a row, a message and a fact: others read them without it."""
    more = {"of_a_newer_version": {"a": 1}}
    pack = azure_table.pack

    def pack_more(name: str, document: Mapping[str, object], *, columns: Sequence[str] = ()) -> Mapping[str, object]:
        return pack(name, {**document, **more} if columns else document, columns=columns)

    azure_ledger.pack = pack_more  # type: ignore[attr-defined]
    for kind in (message.MessageBody, Fact):
        _add_to_json(kind, more)


def _add_to_json(kind: Any, more: Mapping[str, object]) -> None:
    to_json = kind.to_json
    kind.to_json = lambda self: json.dumps({**json.loads(to_json(self)), **more}, sort_keys=True)


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
