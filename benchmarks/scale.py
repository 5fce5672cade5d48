"""What a tick, `lineage status` and an event cost with more and more in the ledger, and with nothing changed."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from click.testing import CliRunner
from rich.table import Table
from urllib3.connectionpool import HTTPConnectionPool

from benchmarks.counting_table import CountingTable, counting_table
from benchmarks.emulated import SUBSCRIPTION, Emulated, running_emulator
from cli.main import cli as lineage
from emulator.azurite import Azurite
from emulator.fleet.chain import WORKSPACE
from shared.bootstrap import Services
from shared.catalog.entities import Ref
from shared.catalog.qualified_names import QualifiedName, of_run
from shared.intake.message import OPENLINEAGE, MessageBody
from shared.model import WorkspaceId
from shared.places.matching import Match, MatchKind
from shared.settings import Settings
from shared.state.ports import Message, PlaceUse, Row
from shared.state.sqlite import SqliteLedger

ROWS = (1_000, 100_000, 1_000_000)
AZURITE, COUNTING, SQLITE = "Azurite", "a table that counts", "SQLite"
ON_AZURITE = 10_000
"""It keeps everything in memory, and takes ten minutes for a million; the others take those."""
STEPS = (20, 40, 80)
REPORTED = (100, 1_000)
WORKSPACES = 20
LETTERS = 2_000
OPEN_LETTERS = (1_000, 10_000, 100_000)
MOST = 1.5
"""Times what it costs with the fewest rows."""
_OF_A_RUN = 4
"""Rows that are written for one run: what is known of it, a fingerprint, a match and a use of a place."""
_NAMESPACE = "scale"
_AT_ONCE = 2_000
_ROUNDS, _EVENTS = 5, 10
_THREADS = 8
_VISIBILITY = timedelta(minutes=10)
_AT = datetime(2026, 1, 1, tzinfo=UTC)
_JOB = {"kind": "command", "experiment": "scale", "command": "python x.py", "outputs": {"out": {"type": "uri_folder"}}}


@dataclass(frozen=True, slots=True)
class Cost:
    """
    Requests to the storage, requests to Azure ML and the catalog, CPU.

    Of a SQLite file statements are counted, but those of a command of its own.
    """

    stored: float
    asked: float
    cpu_ms: float

    def __str__(self) -> str:
        return f"{self.stored:.0f} / {self.asked:.0f} / {self.cpu_ms:.0f} ms"


@dataclass(frozen=True, slots=True)
class At:
    """What each costs with so many rows; an event is the first about a run."""

    rows: int
    tick: Cost
    status: Cost
    event: Cost


@dataclass
class Measured:
    """The app in this process, on a storage account or a file whose requests are counted."""

    emulated: Emulated
    services: Services
    storage: str
    stored: list[str] = field(default_factory=list)
    table: CountingTable = field(default_factory=CountingTable)
    rows: int = 0
    runs: int = 0
    published: int = 0

    def measure(self, work: Callable[[], object], *, rounds: int = 1) -> Cost:
        """Do something a few times: the requests of one, and the least CPU, since all else only adds to it."""
        seconds = list[float]()
        self.emulated.control.clear_requests()
        before = len(self.stored) + self.table.requests
        for _ in range(rounds):
            start = time.process_time() - self.table.seconds
            work()
            seconds.append(time.process_time() - self.table.seconds - start)
        asked = self.emulated.control.requests()
        return Cost(
            (len(self.stored) + self.table.requests - before) / rounds, len(asked) / rounds, 1000 * min(seconds)
        )

    def fill(self, rows: int) -> None:
        """Add what was published long ago, until there are so many rows."""
        ledger = self.services.ledger
        workspaces = [_workspace(number) for number in range(WORKSPACES)]
        while self.rows < rows:
            numbers = range(self.rows, min(self.rows + _AT_ONCE * _OF_A_RUN, rows), _OF_A_RUN)
            keys = [of_run(workspaces[number % WORKSPACES], f"old-{number}") for number in numbers]
            places = [
                Ref("azure_datalake_gen2_path", QualifiedName(f"https://old.dfs.core.windows.net/c/{number}"))
                for number in numbers
            ]
            ledger.put_rows(
                Row(
                    key, "run", "published", status="Completed", event_time=_AT, root=key, matches={str(place): "exact"}
                )
                for key, place in zip(keys, places, strict=True)
            )
            ledger.put_fingerprints({QualifiedName(f"{key}#"): "0" * 32 for key in keys})
            ledger.put_matches({place: Match(place, MatchKind.EXACT) for place in places})
            ledger.index_uses(
                PlaceUse(f"old/c//{number}", key, is_output=True, is_folder=True, data=place)
                for number, key, place in zip(numbers, keys, places, strict=True)
            )
            self.rows += len(numbers) * _OF_A_RUN

    def settle(self) -> None:
        """Publish what a tick has found until nothing is left to do."""
        for _ in range(3):
            self.services.reconciler.tick()
            while message := self.services.queue.receive(visibility=_VISIBILITY):
                self.services.deliveries.publish(message)
                self.published += 1
                self.services.queue.delete(message)

    def end_runs(self) -> None:
        """Let as many runs end as are published then."""
        ended = {f"new-{self.runs + number}": _JOB for number in range(1, _EVENTS + 1)}
        self.emulated.control.add_to_azure_ml({"workspaces": {"ws-0": {"runs": ended}}})

    def publish(self) -> None:
        """Publish a run that has just ended."""
        self.runs += 1
        body = MessageBody(_completed(_workspace(0), f"new-{self.runs}"), f"operation-{self.runs}")
        self.services.deliveries.publish(Message(str(self.runs), body.to_json(), 1, ""))

    def report(self) -> None:
        """Report that an application has written one more folder."""
        self.runs += 1
        body = MessageBody(json.dumps(_reported(self.runs)), f"operation-{self.runs}", OPENLINEAGE)
        self.services.deliveries.publish(Message(str(self.runs), body.to_json(), 1, ""))

    def status(self) -> None:
        """Ask as a person does."""
        environment = {**self.emulated.environment, "LINEAGE_STORAGE": self.storage}
        result = CliRunner().invoke(lineage, ["status", "--json"], env=environment)
        if result.exit_code:
            raise RuntimeError(result.output)


def measure_rematching(steps: Sequence[int] = STEPS) -> Table:
    """Let a scan find what every step of a pipeline reads, and measure the ticks and events until all is linked."""
    table = Table(title="A scan has found what each step of a pipeline reads: all that follows, in a SQLite file")
    for heading in ("steps", "events", "requests to Azure ML\nand the catalog", "CPU ms", "CPU ms\na step"):
        table.add_column(heading, justify="right")
    for number in steps:
        with _measured(SQLITE) as measured:
            published = _publish_pipeline(measured, number)
            cost = measured.measure(measured.settle)
            events = measured.published - published
        table.add_row(
            str(number), str(events), f"{cost.asked:.0f}", f"{cost.cpu_ms:.0f}", f"{cost.cpu_ms / number:.1f}"
        )
    return table


def _publish_pipeline(measured: Measured, steps: int) -> int:
    """Publish a pipeline of which each step reads a folder of its own, and let a scan find the folders."""
    control = measured.emulated.control
    runs: dict[str, Any] = {"pipeline": {"kind": "pipeline", "experiment": "scale"}}
    for number in range(steps):
        given = {"uri": f"azureml://datastores/lake/paths/in-{number}/", "type": "uri_folder"}
        runs[f"step-{number}"] = {**_JOB, "kind": "step", "parent": "pipeline", "inputs": {"data": given}}
    control.add_to_azure_ml({"workspaces": {"ws-0": {"runs": runs}}})
    measured.settle()
    account = WORKSPACE["datastores"]["lake"]["account"]  # type: ignore[index]
    sets = [
        {
            "typeName": "azure_datalake_gen2_resource_set",
            "qualifiedName": f"https://{account}.dfs.core.windows.net/chain/in-{number}/{{SparkPartitions}}",
            "name": f"in-{number}",
        }
        for number in range(steps)
    ]
    control.scan(*sets, is_indexed=True)
    return measured.published


def measure_reporting(events: Sequence[int] = REPORTED) -> Table:
    """Report one OpenLineage run that writes another folder with each event, and measure the last few events."""
    table = Table(title=f"An application that writes another folder with each event: the last {_EVENTS} of them")
    for heading in ("events", "statements", "requests to the catalog", "CPU ms an event"):
        table.add_column(heading, justify="right")
    with _measured(SQLITE) as measured:
        for number in events:
            while measured.runs < number - _EVENTS:
                measured.report()
            cost = measured.measure(measured.report, rounds=_EVENTS)
            table.add_row(f"{number:,}", f"{cost.stored:.0f}", f"{cost.asked:.1f}", f"{cost.cpu_ms:.1f}")
    return table


def measure_letters(numbers: Sequence[int] = OPEN_LETTERS) -> Table:
    """Measure with more and more open dead letters, on Azurite: they are listed 5,000 to a request."""
    table = Table(title="Open dead letters: requests to the storage / to Azure ML and the catalog / CPU")
    for heading in ("open", "tick", "lineage status"):
        table.add_column(heading, justify="right")
    with _measured(AZURITE) as measured, ThreadPoolExecutor(_THREADS) as threads:
        put = 0
        for number in numbers:
            list(threads.map(partial(_put_letter, measured.services), range(put, number)))
            put = number
            tick = measured.measure(measured.services.reconciler.tick)
            table.add_row(f"{number:,}", str(tick), str(measured.measure(measured.status)))
    return table


def measure_scale(rows: Sequence[int] = ROWS, letters: int = LETTERS) -> Table:
    """Measure at each number of rows, on Azurite as far as it takes them, and in a SQLite file."""
    table = Table(
        title=f"{WORKSPACES} workspaces of 5 runs, {letters:,} open dead letters, nothing changed: requests to the "
        "storage / to Azure ML and the catalog / CPU"
    )
    for heading in ("", "rows", "tick", "lineage status", "event", f"CPU of both\n(goal ≤ {MOST} times)"):
        table.add_column(heading, justify="right")
    for name in (AZURITE, COUNTING, SQLITE):
        first: At | None = None
        for at in costs_at(name, [each for each in rows if name != AZURITE or each <= ON_AZURITE], letters=letters):
            first = first or at
            grown = f"{at.tick.cpu_ms / first.tick.cpu_ms:.1f} / {at.status.cpu_ms / first.status.cpu_ms:.1f}"
            table.add_row(name, f"{at.rows:,}", str(at.tick), str(at.status), str(at.event), grown)
    return table


def costs_at(name: str, rows: Sequence[int], *, letters: int = 0, workspaces: int = WORKSPACES) -> Iterator[At]:
    """Fill a storage and measure at each number of rows."""
    with _measured(name, letters=letters, workspaces=workspaces) as measured:
        for number in rows:
            measured.fill(number)
            tick = measured.measure(measured.services.reconciler.tick, rounds=_ROUNDS)
            status = measured.measure(measured.status, rounds=_ROUNDS)
            measured.end_runs()
            yield At(number, tick, status, measured.measure(measured.publish, rounds=_EVENTS))
            measured.settle()


@contextmanager
def _measured(name: str, *, letters: int = 0, workspaces: int = 1) -> Iterator[Measured]:
    """Open the app with the first tick behind it."""
    with ExitStack() as stack:
        emulated = stack.enter_context(running_emulator("empty"))
        runs = {f"run-{number}": _JOB for number in range(5)}
        described = {f"ws-{number}": _described(runs) for number in range(workspaces)}
        emulated.control.add_to_azure_ml({"workspaces": described})
        stored = list[str]()
        table = CountingTable()
        if name in (AZURITE, COUNTING):
            azurite = stack.enter_context(Azurite())
            storage = f"azurite:{azurite.base_port}"
            stack.enter_context(_counted(range(azurite.base_port, azurite.base_port + 3), stored))
            if name == COUNTING:
                table = stack.enter_context(counting_table())
        else:
            storage = f"sqlite:///{Path(stack.enter_context(TemporaryDirectory())) / 'state'}"
        environment = {**emulated.environment, "LINEAGE_STORAGE": storage, "LINEAGE_OPENLINEAGE_JOBS": _NAMESPACE}
        services = Services(Settings.from_env(environment))
        stack.callback(services.state.close)
        services.catalog.install_types()
        services.queue.count()
        if isinstance(services.state.ledger, SqliteLedger):
            services.state.ledger._database._connection.set_trace_callback(stored.append)
        measured = Measured(emulated, services, storage, stored, table)
        for number in range(letters):
            _put_letter(services, number)
        measured.settle()
        yield measured


def _put_letter(services: Services, number: int) -> None:
    reason = "MalformedEvent" if number % 2 else "RecordNotFound"
    services.dead_letters.put(reason=reason, detail="why", body="{}", attempts=1, id=f"letter-{number}")


@contextmanager
def _counted(ports: range, stored: list[str]) -> Iterator[None]:
    """Note each request to some ports of this machine, whichever library sends it."""
    send = HTTPConnectionPool.urlopen

    def count(pool: HTTPConnectionPool, method: str, url: str, *args: Any, **options: Any) -> Any:
        if pool.port in ports:
            stored.append(f"{method} {url}")
        return send(pool, method, url, *args, **options)

    HTTPConnectionPool.urlopen = count  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        HTTPConnectionPool.urlopen = send  # type: ignore[method-assign]


def _workspace(number: int) -> WorkspaceId:
    return WorkspaceId(SUBSCRIPTION.rpartition("/")[2], "rg-scale", f"ws-{number}")


def _described(runs: dict[str, Any]) -> dict[str, Any]:
    experiments = {"scale": "16161616-0000-0000-0000-000000000000"}
    return {**WORKSPACE, "resource_group": "rg-scale", "experiments": experiments, "runs": runs}


def _completed(workspace: WorkspaceId, run_id: str) -> str:
    return json.dumps(
        {
            "id": f"event-{run_id}",
            "topic": workspace.arm_id,
            "subject": f"experiments/scale/runs/{run_id}",
            "eventType": "Microsoft.MachineLearningServices.RunCompleted",
            "eventTime": datetime.now(UTC).isoformat(),
            "dataVersion": "2",
            "data": {
                "experimentId": "scale",
                "experimentName": "scale",
                "runId": run_id,
                "runType": "azureml.scriptrun",
            },
        }
    )


def _reported(number: int) -> dict[str, Any]:
    """Make the event of one unit of work of the application, as a Spark listener sends it."""
    producer = "https://github.com/OpenLineage/OpenLineage/tree/1.33.0/integration/spark"
    application = {"runId": "0197f44b-7231-7dcb-8d0c-349ce8b0f2c2"}
    parent = {
        "_producer": producer,
        "_schemaURL": "https://openlineage.io/spec/facets/1-1-0/ParentRunFacet.json#/$defs/ParentRunFacet",
        "run": application,
        "job": {"namespace": _NAMESPACE, "name": "application"},
    }
    folder = {"namespace": "abfss://chain@chainlake.dfs.core.windows.net", "name": f"out/{number}"}
    return {
        "eventType": "COMPLETE",
        "eventTime": (_AT + timedelta(seconds=number)).isoformat(),
        "producer": producer,
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": f"0197f44b-7231-7dcb-8d0c-{number:012x}", "facets": {"parent": parent}},
        "job": {"namespace": _NAMESPACE, "name": "application.unit"},
        "inputs": [],
        "outputs": [folder],
    }
