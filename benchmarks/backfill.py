"""A backfill of a large workspace, interrupted three times, against the events of a sample; memory as it goes on."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.table import Table

from benchmarks.emulated import ROOT, Emulated, running_emulator
from emulator.client import Control
from emulator.normalised import normalise
from shared.bootstrap import Services
from shared.catalog.qualified_names import QualifiedName
from shared.intake.allow_list import read_event
from shared.publishing.plan_azure_ml import describe_event
from shared.state.ports import Message

RUNS, SAMPLE = 100_000, 1_000
GROWTH_LIMIT_MB = 20
_SEED = 5
_INTERRUPTED_AT = (0.1, 0.25, 0.4)
"""Shares of the runs after which it is interrupted; the last attempt does most of them, so its memory can be seen."""
_COMMAND = (sys.executable, "-c", "from cli.main import main; main()", "backfill", "--direct", "--json")
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Backfilled:
    """
    How a backfill went.

    Attributes:
        summary: what the command printed in the end.
        interruptions: how often it was interrupted.
        growth_mb: resident memory at the end of the last attempt over that when half of all runs were done.
        sample: runs that were compared with what their events write; `differing` are not the same.
    """

    summary: Mapping[str, int]
    interruptions: int
    peak_mb: float
    growth_mb: float
    seconds: float
    sample: int
    differing: Sequence[str]


def measure_backfill(runs: int = RUNS) -> Table:
    """Backfill once and compare."""
    table = Table(title=f"Backfill of {runs:,} runs with --direct, at 0 ms a request")
    for heading in (
        "published",
        "interrupted",
        "minutes",
        "memory\nMB",
        f"second half adds\nMB (goal < {GROWTH_LIMIT_MB})",
        "sample that equals\nwhat events write",
    ):
        table.add_column(heading, justify="right")
    done = run_backfill(runs)
    table.add_row(
        f"{done.summary['published']:,}",
        str(done.interruptions),
        f"{done.seconds / 60:.1f}",
        f"{done.peak_mb:.0f}",
        f"{done.growth_mb:+.1f}",
        f"{done.sample - len(done.differing)} of {done.sample}",
    )
    return table


def run_backfill(runs: int, *, sample: int = SAMPLE) -> Backfilled:
    """Backfill a generated workspace, interrupting the command three times, and compare a sample of its runs."""
    with running_emulator(f"fleet:{runs}") as emulated, tempfile.TemporaryDirectory() as folder:
        _start_again(emulated.control, runs)
        services = emulated.services(Path(folder) / "backfilled.sqlite")
        start = time.monotonic()
        attempts = _Attempts(emulated, Path(folder) / "backfilled.sqlite", runs)
        summary = attempts.run()
        seconds = time.monotonic() - start
        events = list(_events(emulated.control))
        chosen = _choose(services, events, sample)
        backfilled = _read(services, chosen)
        _start_again(emulated.control, runs)
        by_events = emulated.services(Path(folder) / "by_events.sqlite")
        for number, event in enumerate(_of_runs_or_models(by_events, events, chosen)):
            by_events.deliveries.handle(Message(str(number), event, 1, ""))
        expected = _read(by_events, chosen)
        services.state.close()
        by_events.state.close()
    differing = [name for name in chosen if backfilled.get(name) is None or backfilled[name] != expected.get(name)]
    growth = attempts.last_mb - attempts.halfway_mb
    return Backfilled(summary, attempts.interruptions, attempts.peak_mb, growth, seconds, len(chosen), differing)


class _Attempts:
    """The command, started again after each interruption, and watched."""

    def __init__(self, emulated: Emulated, state: Path, runs: int) -> None:
        self._control, self._runs = emulated.control, runs
        self._environment = {**os.environ, **emulated.environment, "LINEAGE_STORAGE": f"sqlite:///{state}"}
        self._written = 0
        self.interruptions = 0
        self.peak_mb = self.halfway_mb = self.last_mb = 0.0

    def run(self) -> dict[str, int]:
        # A process inherits that SIGINT is ignored, as it is for what a shell runs in the background.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            for share in (*_INTERRUPTED_AT, None):
                output = self._attempt(share)
        finally:
            signal.signal(signal.SIGINT, before)
        summary: dict[str, int] = json.loads(output)
        return summary

    def _attempt(self, until: float | None) -> str:
        """Run the command, to its end or until a share of the runs is written, and return what it prints."""
        with subprocess.Popen(  # noqa: S603 - our own module
            _COMMAND, env=self._environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            watched = psutil.Process(process.pid)
            asked = False
            while process.poll() is None:
                time.sleep(0.2)
                self._look(watched)
                due = until is not None and self._written >= until * self._runs
                if due and not asked:
                    process.send_signal(signal.SIGINT)
                    asked = True
            output, errors = process.communicate()
        self.interruptions += asked
        if process.returncode != (1 if asked else 0):
            raise RuntimeError(f"backfill ended with {process.returncode}: {errors[-2000:]}")
        return output

    def _look(self, watched: psutil.Process) -> None:
        self._written += sum(
            request.method == "POST" and request.path.endswith("/bulk") for request in self._control.requests("purview")
        )
        self._control.clear_requests()
        try:
            rss = watched.memory_info().rss / 2**20
        except psutil.NoSuchProcess:
            return
        if rss:  # 0 for a process that has ended and that its parent has not waited for
            self.last_mb, self.peak_mb = rss, max(rss, self.peak_mb)
        if not self.halfway_mb and self._written >= self._runs / 2:
            self.halfway_mb = self.last_mb


def _start_again(control: Control, runs: int) -> None:
    control.use("fleet", runs=runs, seed=_SEED, shape="single")


def _events(control: Control) -> Iterator[str]:
    start = 0
    while files := control.events(start, 5_000):
        for _, body in files:
            yield from (json.dumps(event) for event in (body if isinstance(body, list) else [body]))
        start += len(files)


def _choose(services: Services, events: Iterable[str], count: int) -> list[QualifiedName]:
    """Choose completed runs by chance, always the same ones."""
    completed = {_name(services, event) for event in events if "RunCompleted" in event}
    names = sorted(name for name in completed if name)
    return random.Random(_SEED).sample(names, min(count, len(names)))  # noqa: S311 - a choice, not a secret


def _of_runs_or_models(services: Services, events: Iterable[str], chosen: Sequence[QualifiedName]) -> Iterator[str]:
    """Yield the events of the chosen runs, and of all models, since some were made by them."""
    wanted = set(chosen)
    for event in events:
        if "ModelRegistered" in event or ("RunCompleted" in event and _name(services, event) in wanted):
            yield event


def _name(services: Services, event: str) -> QualifiedName | None:
    about = describe_event(read_event(event, services.allowed))
    return about.key if about else None


def _read(services: Services, names: Sequence[QualifiedName]) -> dict[QualifiedName, object]:
    """Read runs with all their relationships from the catalog, guids replaced by what they stand for."""
    entities = {name: entity for name in names if (entity := services.catalog.get_entity(name))}
    guids = sorted({guid for entity in entities.values() for guid in _guids(entity["relationshipAttributes"])})
    stubs: list[Any] = []
    for start in range(0, len(guids), _PAGE):
        answer = services.catalog._client.get_entity(guid=guids[start : start + _PAGE], ignoreRelationships=True)
        stubs += [
            {"guid": each["guid"], "typeName": each["typeName"], "attributes": each["attributes"]}
            for each in answer["entities"]
        ]
    comparable = normalise({"runs": entities, "others": stubs})
    assert isinstance(comparable, dict)  # noqa: S101 - as given
    runs: dict[QualifiedName, object] = comparable["runs"]
    return runs


def _guids(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and "guid" in value:
        yield str(value["guid"])
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _guids(item)
