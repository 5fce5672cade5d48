"""OpenLineage events for tests, as a Spark listener sends them."""

from collections.abc import Iterable, Mapping
from typing import Any

from cli.session import Report, drain
from shared.bootstrap import Services
from shared.intake.receive import receive_openlineage
from shared.settings import Settings
from shared.state.sqlite import SqliteQueue
from tests.harness.app import AT_ONCE, App

LAKE = "abfss://credit@contosolake.dfs.core.windows.net"
NAMESPACE = "synapse-credit"
RUN = "0197f44b-7231-7dcb-8d0c-349ce8b0f2c2"
STEP = f"openlineage://{NAMESPACE}/runs/{RUN}"
SPARK = "https://github.com/OpenLineage/OpenLineage/tree/1.33.0/integration/spark"
RAW, BORROWER, PREPARED = "raw/loan.csv", "raw/borrower.csv", "prepared"


def data(name: str, *, namespace: str = LAKE, **facets: object) -> dict[str, Any]:
    """A data set, in the lake if nothing else is said."""
    return {"namespace": namespace, "name": name, **({"facets": facets} if facets else {})}


def column_lineage(source: str, columns: Mapping[str, str], *, namespace: str = LAKE) -> dict[str, Any]:
    """The facet of an output: each of its columns and the one of the source it was made from."""
    fields = {
        column: {"inputFields": [{"namespace": namespace, "name": source, "field": field}]}
        for column, field in columns.items()
    }
    return {"columnLineage": {"fields": fields}}


def run_event(
    kind: str,
    *,
    at: str = "10:00",
    run_id: str = RUN,
    job: str = "prepare_credit",
    namespace: str = NAMESPACE,
    parent: tuple[str, str] | None = None,
    inputs: Iterable[Mapping[str, Any]] = (),
    outputs: Iterable[Mapping[str, Any]] = (),
    facets: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """A run event; `parent` is the job and the run that it names as its parent, `facets` are the run's."""
    names = {"job": {"namespace": namespace, "name": parent[0]}, "run": {"runId": parent[1]}} if parent else None
    return {
        "eventType": kind,
        "eventTime": f"2026-07-01T{at}:00.000Z",
        "producer": SPARK,
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": run_id, "facets": {**(facets or {}), **({"parent": names} if names else {})}},
        "job": {"namespace": namespace, "name": job},
        "inputs": list(inputs),
        "outputs": list(outputs),
    }


def publish_queued(app: App) -> list[Report]:
    """Publish what is on the queue, bringing back at once what comes back."""
    assert isinstance(app.services.queue, SqliteQueue)
    return list(drain(app.services, app.services.queue, redelivery=AT_ONCE))


def post_openlineage(services: Services, body: bytes) -> tuple[int, dict[str, object]]:
    """Take the body of a request as the function does."""
    return receive_openlineage(
        body, headers={}, allowed=services.allowed, open_state=lambda: services.state, now=services.now
    )


def with_jobs(app: App, *, jobs: str = NAMESPACE, labels: str = "off") -> App:
    """The same app, which takes OpenLineage events of a namespace."""
    storage = f"sqlite:///{app.services.settings.storage}"
    behaviour = {"LINEAGE_OPENLINEAGE_JOBS": jobs, "LINEAGE_CLASSIFICATION_LABELS": labels}
    return App(app.emulator, Services(Settings.from_env({**app.emulator.environment(storage), **behaviour})))
