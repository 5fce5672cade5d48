"""What publishing a pipeline costs, against one call an entity by hand."""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from benchmarks.by_hand import publish_chain_by_hand
from benchmarks.emulated import running_emulator
from cli.session import drain, local_queue
from emulator.client import Control
from shared.bootstrap import Services
from shared.intake.envelopes import split_events
from shared.intake.message import REPLAY
from shared.intake.receive import enqueue
from shared.settings import Settings

STEPS = (4, 20, 100)
LATENCIES_MS = (0, 50)
_CHILDREN = "/children"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one publication took; Azure ML requests without the pages of children."""

    catalog_requests: int
    connections: int
    azure_ml_requests: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Bench:
    """An emulator in a process of its own, so that its work is not measured as ours."""

    environment: Mapping[str, str]
    control: Control

    def measure_by_hand(self, steps: int, latency_ms: int) -> Cost:
        self._prepare(steps, latency_ms)
        return self._measure(
            lambda: publish_chain_by_hand(
                self.environment["PURVIEW_ENDPOINT"], self.environment["LINEAGE_CA_BUNDLE"], steps
            )
        )

    def measure_ours(self, steps: int, latency_ms: int) -> tuple[Cost, Cost]:
        """Return the cost of the first publication, and of the same again."""
        services = self._prepare(steps, latency_ms)
        root = next(event for event in self._events() if "RunCompleted" in event and "azureml.PipelineRun" in event)
        costs = [self._measure(lambda: _publish(services, root)) for _ in range(2)]
        return costs[0], costs[1]

    def _prepare(self, steps: int, latency_ms: int) -> Services:
        """Start the chain again with the types installed."""
        self.control.use("chain", steps=steps)
        folder = tempfile.mkdtemp(dir=Path(self.environment["LINEAGE_CA_BUNDLE"]).parent)
        services = Services(Settings.from_env({**self.environment, "LINEAGE_STORAGE": f"sqlite:///{folder}/state"}))
        services.catalog.apply_types(services.catalog.plan_types())
        self.control.latency(latency_ms)
        # The first use imports the SDK, which a warm worker has behind it. Nothing is cached: this object is dropped.
        return Services(services.settings)

    def _events(self) -> list[str]:
        return [event for _, body in self.control.events() for event in split_events(json.dumps(body))]

    def _measure(self, work: Callable[[], None]) -> Cost:
        self.control.clear_requests()
        start = time.perf_counter()
        work()
        seconds = time.perf_counter() - start
        catalog = self.control.requests("purview")
        return Cost(
            catalog_requests=len(catalog),
            connections=len({request.connection for request in catalog}),
            azure_ml_requests=sum(
                not request.path.endswith(_CHILDREN) for request in self.control.requests("azure_ml")
            ),
            seconds=seconds,
        )


def _publish(services: Services, event: str) -> None:
    queue = local_queue(services)
    enqueue([event], queue, services.dead_letters, source=REPLAY, now=services.now)
    for report in drain(services, queue):
        if report.failed:
            raise RuntimeError(report.outcome.reason)


def measure_publication() -> Table:
    """Measure every size at every latency."""
    table = Table(title="A chain of N steps, types installed: one call an entity by hand, and ours", show_lines=False)
    for heading in (
        "steps",
        "ms a\nrequest",
        "catalog requests\nby hand / ours / again",
        "connections\nby hand / ours",
        "Azure ML requests\ncold / warm",
        "seconds, Azure ML included\nby hand / ours / again",
        "ours\ntakes",
    ):
        table.add_column(heading, justify="right")
    with running_emulator("chain:4") as emulated:
        bench = Bench(emulated.environment, emulated.control)
        bench.measure_ours(STEPS[0], 0)  # warms imports up
        for steps in STEPS:
            for latency in LATENCIES_MS:
                print(f"{steps} steps at {latency} ms a request ...", file=sys.stderr)  # noqa: T201 - progress
                by_hand = bench.measure_by_hand(steps, latency)
                ours, again = bench.measure_ours(steps, latency)
                table.add_row(
                    str(steps),
                    str(latency),
                    f"{by_hand.catalog_requests} / {ours.catalog_requests} / {again.catalog_requests}",
                    f"{by_hand.connections} / {ours.connections}",
                    f"{ours.azure_ml_requests} / {again.azure_ml_requests}",
                    f"{by_hand.seconds:.2f} / {ours.seconds:.2f} / {again.seconds:.2f}",
                    f"1/{by_hand.seconds / ours.seconds:.0f}",
                )
    return table
