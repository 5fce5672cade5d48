"""Every event we can emit follows the standard, as far as its Python package holds it: generated classes, no files."""

import json
from typing import Any

import pytest
from cattrs import BaseValidationError
from openlineage.client.serde import Serde

from shared.openlineage.outgoing_events import to_run_events
from tests.harness.fakes import NOON
from tests.harness.pure_core import Core
from tests.references.openlineage_standard import check_event
from tests.worlds.golden_case import Case, case_names

BROKEN = (BaseValidationError, TypeError, ValueError, KeyError)
"""What says that an event is not as it should be: cattrs gathers what it finds, and the outermost is shown alone."""


def events_of(name: str) -> list[dict[str, Any]]:
    """Play a golden case and tell all that is in the catalog afterwards."""
    case = Case.load(name)
    core = Core(case, json.loads(case.resolved_file.read_text(encoding="utf-8")))
    core.play()
    sent = to_run_events(core.catalog.entities.values(), at=NOON)
    return [json.loads(Serde.to_json(event)) for each in sent for event in each.events]


@pytest.mark.parametrize("name", case_names())
def test_events_of_a_golden_case_follow_the_standard(name: str) -> None:
    """
    Read strictly into the classes of `openlineage.client.generated`, which are what the package ships of the standard's
    JSON schemas; facets of ours into the schemas in docs/openlineage.
    """
    for event in events_of(name):
        check_event(event)


@pytest.fixture(scope="module")
def event() -> dict[str, Any]:
    return next(
        each
        for each in events_of("command")
        if each["eventType"] == "COMPLETE" and each["job"]["name"].startswith("churn/")
    )


@pytest.mark.parametrize(
    "change",
    [
        {"eventTime": "2026-07-01"},
        {"eventTime": "2026-07-01T12:00:00"},
        {"eventType": "DONE"},
        {"producer": "absent"},
        {"schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetEvent"},
        {"run": {"runId": "train"}},
        {"run": {}},
        {"job": {"namespace": "n"}},
        {"job": {"namespace": "n", "name": 1}},
        {"more": "than there is"},
        {"inputs": [{"namespace": "n", "name": "m", "facets": {"x": {"_producer": "urn:x"}}}]},
    ],
    ids=str,
)
def test_event_that_breaks_the_standard_is_found_out(event: dict[str, Any], change: dict[str, Any]) -> None:
    """Otherwise the tests above could not fail."""
    with pytest.raises(BROKEN):
        check_event({**event, **change})


@pytest.mark.parametrize("facet", ["jobType", "sourceCodeLocation"])
def test_facet_without_a_required_member_is_found_out(event: dict[str, Any], facet: str) -> None:
    """Facets are read by the class that their schema names."""
    broken = {key: value for key, value in event["job"]["facets"][facet].items() if key not in ("type", "integration")}
    with pytest.raises(BROKEN):
        check_event({**event, "job": {**event["job"], "facets": {facet: broken}}})
