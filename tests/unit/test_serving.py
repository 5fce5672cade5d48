"""The serving history of an endpoint: which model version answered when, whatever happens to its deployments."""

from dataclasses import replace

import pytest

from shared.catalog.serving import KEPT, Serving, close, go_on
from shared.model import AssetId, Deployment, Endpoint, ModelVersion, Workspace, WorkspaceId

WORKSPACE = Workspace(WorkspaceId("s", "rg", "ws"), "ws", "")
JULY, AUGUST, SEPTEMBER = (f"2026-0{month}-01T00:00:00Z" for month in (7, 8, 9))


def serves(*deployments: tuple[str, str, str], changed_at: str = "") -> Endpoint:
    return Endpoint(
        WORKSPACE,
        "ep",
        "Managed",
        deployments=tuple(
            Deployment(name, (ModelVersion(AssetId("models", "m", version)),), traffic=traffic, changed_at=changed_at)
            for name, version, traffic in deployments
        ),
    )


def test_what_serves_the_same_goes_on_with_its_period() -> None:
    """However often it is read."""
    once = go_on((), serves(("blue", "1", "100")), at=JULY)
    assert once == (Serving(JULY, "blue", ("m:1",), "100"),)
    assert go_on(once, serves(("blue", "1", "100")), at=AUGUST) == once


def test_another_model_begins_a_period_and_ends_the_one_before() -> None:
    """The moments in between are covered once."""
    before = go_on((), serves(("blue", "1", "100")), at=JULY)
    after = go_on(before, serves(("blue", "2", "100")), at=AUGUST)
    assert after == (
        Serving(JULY, "blue", ("m:1",), "100", until=AUGUST),
        Serving(AUGUST, "blue", ("m:2",), "100"),
    )
    assert [each.models for each in after if each.covers(AUGUST)] == [("m:2",)]


def test_traffic_that_moves_is_a_period_of_each_deployment() -> None:
    """Half and half, then all of it."""
    half = go_on((), serves(("blue", "1", "50"), ("green", "2", "50")), at=JULY)
    whole = go_on(half, serves(("blue", "1", "0"), ("green", "2", "100")), at=AUGUST)
    at_the_end = [(each.deployment, each.traffic) for each in whole if each.covers(SEPTEMBER)]
    assert at_the_end == [("blue", "0"), ("green", "100")]
    assert [(each.deployment, each.traffic) for each in whole if each.until == AUGUST] == [
        ("blue", "50"),
        ("green", "50"),
    ]


def test_deployment_that_is_gone_keeps_its_periods() -> None:
    """That it served then does not become untrue."""
    before = go_on((), serves(("blue", "1", "100"), ("green", "2", "0")), at=JULY)
    after = go_on(before, serves(("blue", "1", "100")), at=AUGUST)
    assert Serving(JULY, "green", ("m:2",), "0", until=AUGUST) in after
    gone = close(after, at=SEPTEMBER)
    assert [each for each in gone if each.covers(SEPTEMBER)] == []
    assert len(gone) == 2


@pytest.mark.parametrize(("changed_at", "since"), [(JULY, JULY), ("", SEPTEMBER), ("2027-01-01T00:00:00Z", SEPTEMBER)])
def test_period_begins_when_azure_ml_says_that_the_deployment_changed(changed_at: str, since: str) -> None:
    """Where it does not say, or says the future, when it was read."""
    [only] = go_on((), serves(("blue", "1", "100"), changed_at=changed_at), at=SEPTEMBER)
    assert only.since == since


def test_old_reading_does_not_rewrite_what_came_after_it() -> None:
    """A replay reads the present, whatever the time of its event; time goes forward only."""
    before = go_on((), serves(("blue", "2", "100")), at=SEPTEMBER)
    after = go_on(before, serves(("blue", "1", "100")), at=JULY)
    assert [each.since for each in after] == [SEPTEMBER, SEPTEMBER]


def test_history_is_bounded() -> None:
    """The newest periods stay."""
    history: tuple[Serving, ...] = ()
    for number in range(KEPT + 5):
        history = go_on(history, serves(("blue", str(number), "100")), at=f"2026-07-01T00:00:00.{number:06}Z")
    assert (len(history), history[-1].models) == (KEPT, (f"m:{KEPT + 4}",))


def test_deployment_that_an_unreadable_list_lacks_goes_on_serving() -> None:
    """It may be there; that it is gone is known from a list that can be read."""
    before = go_on((), serves(("blue", "1", "90"), ("green", "2", "10")), at=JULY)
    some = serves(("blue", "1", "90"))
    assert go_on(before, replace(some, notes="there may be more"), at=AUGUST) == before
    assert [each.until for each in go_on(before, some, at=AUGUST)] == ["", AUGUST]
