"""Models registered from a path that several runs wrote: the same run is meant in any order of events."""

from collections.abc import Callable
from itertools import permutations

import pytest

from tests.harness.app import WS, App, model_registered, run_completed

Add = Callable[..., None]


def writer(path: str, start: str, end: str) -> dict[str, object]:
    """Make a run of one day, by its hours, that wrote a folder of the lake."""
    return {
        "experiment": "churn",
        "start": f"2026-07-01T{start}:00:00Z",
        "end": f"2026-07-01T{end}:00:00Z",
        "outputs": {"model": {"path": f"azureml://datastores/lake/paths/{path}"}},
    }


RUNS = {
    "around": writer("models/", "09", "10"),
    "first": writer("models/latest/", "07", "08"),
    "last": writer("models/latest/", "08", "09"),
    "after": writer("models/latest/", "13", "14"),
}
EVENTS = (*map(run_completed, RUNS), model_registered("latest", "1"))


def makers(app: App) -> set[str]:
    """Return the runs that the catalog says made the model."""
    name = f"{WS}/models/latest/versions/1"
    return {edge.partition(" -> ")[0] for edge in app.edges(name) if edge.endswith(" -> latest:1")}


@pytest.mark.parametrize("order", range(0, 120, 11))
def test_run_that_wrote_a_models_files_last_made_it_in_any_order(app: App, add: Add, order: int) -> None:
    """Who wrote a folder around it, or before, or after it was registered, did not; also if that is known first."""
    path = "azureml://datastores/lake/paths/models/latest/model/"
    add(models={"latest:1": {"path": path, "created_at": "2026-07-01T12:00:00Z"}}, runs=RUNS)
    for event in list(permutations(EVENTS))[order]:
        app.replay([event])
    assert makers(app) == {"last"}


def test_tag_that_is_taken_away_gives_a_model_back(app: App, add: Add) -> None:
    """What was said of its origin last is true."""
    path = "azureml://datastores/lake/paths/models/latest/"
    add(models={"latest:1": {"path": path, "created_at": "2026-07-01T12:00:00Z"}}, runs=RUNS)
    app.replay(EVENTS)
    assert makers(app) == {"last"}
    for tag, maker in (("around", "around"), ("first", "first"), ("", "last"), ("first", "first")):
        add(models={"latest:1": {"tags": {"lineage.run": tag}}})
        app.replay([model_registered("latest", "1")])
        assert makers(app) == {maker}
    app.replay(EVENTS)
    assert makers(app) == {"first"}
