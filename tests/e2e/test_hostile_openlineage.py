"""Hundreds of malformed, foreign, deep, wide and hostile OpenLineage events: each ends once, and none does harm."""

import copy
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cli.session import local_queue
from emulator.server import Emulator
from shared.intake.receive import RefusedBodyError
from shared.publishing.plan import DEAD_LETTERED, PUBLISHED, SKIPPED
from tests.e2e.test_hostile_events import names, nested, wrong
from tests.harness.app import AT_ONCE, App
from tests.worlds.openlineage_events import (
    NAMESPACE,
    PREPARED,
    RAW,
    RUN,
    STEP,
    column_lineage,
    data,
    post_openlineage,
    publish_queued,
    run_event,
    with_jobs,
)

pytestmark = pytest.mark.timeout(300)
BATCHES, BATCH = 24, 8
REASONS = {"MalformedEvent", "ForeignJob", "OversizedEvent", "EntityRejected"}
"""Why an event may be dead; `Unexpected…` would be a defect of ours."""
VALID = run_event(
    "COMPLETE",
    inputs=[data(RAW)],
    outputs=[data(PREPARED, schema={"fields": [{"name": "c"}]}, **column_lineage(RAW, {"c": "d"}))],
    parent=("workflow", RUN.replace("0197", "0198")),
    facets={"spark.logicalPlan": {"plan": []}},
)
SCHEMES = ("abfss://", "wasbs://c@", "sqlserver://", "hive://", "azureml://", "file", "https://", "postgres://", "")

run_ids = st.sampled_from([RUN.replace("0197", f"{number:04x}") for number in range(1, 200)])
namespaces = st.tuples(st.sampled_from(SCHEMES), names).map("".join)
datasets = st.fixed_dictionaries(
    {"namespace": namespaces, "name": names},
    optional={
        "facets": st.fixed_dictionaries(
            {},
            optional={
                "schema": st.fixed_dictionaries({"fields": st.lists(st.builds(dict, name=names), max_size=3)}),
                "symlinks": st.fixed_dictionaries(
                    {"identifiers": st.lists(st.builds(dict, namespace=namespaces, name=names), max_size=2)}
                ),
                "columnLineage": st.fixed_dictionaries(
                    {
                        "fields": st.dictionaries(
                            names,
                            st.fixed_dictionaries(
                                {
                                    "inputFields": st.lists(
                                        st.builds(dict, namespace=namespaces, name=names, field=names), max_size=2
                                    )
                                }
                            ),
                            max_size=2,
                        )
                    }
                ),
            },
        )
    },
)


@st.composite
def well_formed(draw: st.DrawFn) -> dict[str, Any]:
    """An event that only its names make hostile."""
    event = run_event(
        draw(st.sampled_from(("START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER"))),
        run_id=draw(run_ids),
        job=draw(names),
        inputs=draw(st.lists(datasets, max_size=2)),
        outputs=draw(st.lists(datasets, max_size=2)),
    )
    return event | ({draw(names): draw(wrong)} if draw(st.booleans()) else {})


@st.composite
def foreign(draw: st.DrawFn) -> dict[str, Any]:
    """An event of another sender's job, or of one that looks like ours."""
    other = draw(st.sampled_from((f"{NAMESPACE}2", NAMESPACE.upper(), f"{NAMESPACE}/", f" {NAMESPACE}", "*", "")))
    return run_event("COMPLETE", run_id=draw(run_ids), namespace=other, outputs=[data(PREPARED)])


@st.composite
def wrongly_typed(draw: st.DrawFn) -> object:
    """One or two members, anywhere in a whole event, gone or of another type; or no event at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(wrong)
    event = copy.deepcopy({**VALID, "run": {**VALID["run"], "runId": draw(run_ids)}})
    for _ in range(draw(st.integers(1, 2))):
        parent, key = draw(st.sampled_from(sorted(_members(event), key=lambda found: str(found[1]))))
        if draw(st.booleans()) and isinstance(parent, dict):
            parent.pop(key, None)
        else:
            parent[key] = draw(wrong)
    return event


def _members(value: Any) -> list[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in items for found in ((value, key), *_members(item))]


@st.composite
def oversized(draw: st.DrawFn) -> dict[str, Any]:
    """Large or deep where it is dropped, and where it is not."""
    member = draw(st.sampled_from(("plan", "name", "inputs", "deep")))
    event: dict[str, Any] = run_event("COMPLETE", run_id=draw(run_ids), outputs=[data(PREPARED)])
    match member:
        case "plan":
            event["run"]["facets"]["spark.logicalPlan"] = {"plan": "x" * draw(st.integers(100_000, 300_000))}
        case "name":
            event["job"]["name"] = draw(st.sampled_from(("x", "é", "🦄", '"'))) * 40_000
        case "inputs":
            event["inputs"] = [data(f"raw/{number}/{'x' * 100}.csv") for number in range(400)]
        case "deep":
            event["outputs"][0]["facets"] = {"schema": nested(400)}
    return event


hostile = st.one_of(well_formed(), wrongly_typed(), wrongly_typed(), foreign(), oversized())


def test_hostile_events_end_once_each_and_a_valid_one_among_them_is_right(emulator: Emulator, tmp_path: Path) -> None:
    """By HTTP onto the queue and from there to the catalog: published, skipped or dead with a reason of ours."""
    emulator.control.use("credit-risk")
    app = with_jobs(App.on(emulator, tmp_path / "state.sqlite"))
    ended: Counter[str] = Counter()
    refused: Counter[int] = Counter()

    def deliver(events: list[object]) -> None:
        for event in events:
            try:
                body = json.dumps(event).encode()
                post_openlineage(app.services, body)
            except RefusedBodyError as error:
                refused[error.status] += 1
        for report in publish_queued(app):
            ended[report.outcome.outcome] += 1
            assert "Unexpected" not in report.outcome.reason, report.outcome.reason

    @settings(
        max_examples=BATCHES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(hostile, min_size=BATCH, max_size=BATCH))
    def flood(events: list[object]) -> None:
        deliver(events)

    flood()
    deliver([run_event("COMPLETE", inputs=[data(RAW)], outputs=[data(PREPARED)])])
    assert app.edges(STEP) >= {"loan.csv -> prepare_credit", "prepare_credit -> prepared"}
    letters = app.services.dead_letters.list_open()
    assert {letter.reason for letter in letters} <= REASONS
    assert {"MalformedEvent", "OversizedEvent"} <= {letter.reason for letter in letters}
    assert set(ended) == {PUBLISHED, SKIPPED, DEAD_LETTERED}
    assert set(refused) == {400, 403}
    assert sum(refused.values()) + sum(ended.values()) >= BATCHES * BATCH
    assert app.services.queue.receive(visibility=AT_ONCE.visibility) is None
    steps = [row.key for row in app.services.ledger.list_rows("run")]
    assert all(key.startswith(f"openlineage://{NAMESPACE}/runs/") for key in steps)


def test_dead_letters_of_hostile_events_can_be_replayed(emulator: Emulator, tmp_path: Path) -> None:
    """What was stored is what was sent, but for what is never read: it is refused again for the same reason."""
    emulator.control.use("credit-risk")
    app = with_jobs(App.on(emulator, tmp_path / "state.sqlite"))
    post_openlineage(app.services, json.dumps({**VALID, "job": 5}).encode())
    publish_queued(app)
    [letter] = app.services.dead_letters.list_open()
    app.replay([letter.body])
    again = app.services.dead_letters.list_open()
    assert {(each.reason, each.detail) for each in again} == {("MalformedEvent", "job: is a number, not an object")}
    assert local_queue(app.services).count() == 0
