"""Types in catalogs that are empty, ours, or the accelerator's."""

from collections.abc import Callable

from shared.catalog.kinds import CONTAINMENTS, list_ours
from tests.harness.app import WS, App, outcomes

Start = Callable[[str], App]


def _types(app: App) -> dict[str, object]:
    body = app.services.catalog._client.get_all_typedefs()
    return {item["name"]: item for item in (*body["entityDefs"], *body["relationshipDefs"])}


def test_all_types_are_there_after_apply(start_app: Start) -> None:
    """An empty catalog gets every type and relationship in one request."""
    app = start_app("empty")
    app.services.catalog.apply_types(app.services.catalog.plan_types())
    wanted = {item.type_name for item in list_ours()} | {item.name for item in CONTAINMENTS}
    assert wanted <= set(_types(app))


def test_applying_twice_changes_nothing(start_app: Start) -> None:
    """The second plan is empty and sends nothing; not even a type's version goes up."""
    for scenario in ("empty", "accelerator"):
        app = start_app(scenario)
        app.services.catalog.apply_types(app.services.catalog.plan_types())
        before = _types(app)
        app.emulator.control.clear_requests()
        plan = app.services.catalog.plan_types()
        app.services.catalog.apply_types(plan)
        assert plan.is_empty
        assert [request.method for request in app.emulator.control.requests("purview")] == ["GET"]
        assert _types(app) == before


def test_upgrade_of_the_accelerators_types_only_adds(start_app: Start) -> None:
    """Every attribute and supertype that was there is there afterwards, with its type."""
    app = start_app("accelerator")
    before = _types(app)
    app.services.catalog.apply_types(app.services.catalog.plan_types())
    after = _types(app)
    for name, definition in before.items():
        old = {item["name"]: item["typeName"] for item in definition.get("attributeDefs", [])}  # type: ignore[attr-defined]
        new = {item["name"]: item["typeName"] for item in after[name].get("attributeDefs", [])}  # type: ignore[attr-defined]
        assert old.items() <= new.items(), name
        assert set(definition.get("superTypes", [])) <= set(after[name].get("superTypes", [])), name  # type: ignore[attr-defined]
    step = {item["name"] for item in after["custom_ml_experiment_step"]["attributeDefs"]}  # type: ignore[index]
    assert {"columnMapping", "git_commit"} <= step


def test_replay_works_beside_the_accelerators_entities(start_app: Start) -> None:
    """What the accelerator wrote stays as it was; ours is added beside it."""
    app = start_app("accelerator")
    app.services.catalog.apply_types(app.services.catalog.plan_types())
    before = [entity for entity in app.emulator.control.state()["purview"]["entities"] if _is_accelerators(entity)]
    assert before
    reports = app.replay()
    assert {"published", "skipped", "dead_lettered"} == set(outcomes(reports))
    after = [entity for entity in app.emulator.control.state()["purview"]["entities"] if _is_accelerators(entity)]
    assert after == before
    assert "creditrisk_train -> creditrisk_model:2" in app.edges(f"{WS}/models/creditrisk_model/versions/2")
    app.emulator.control.clear_requests()
    app.replay()
    assert app.writes() == 0


def test_types_that_are_missing_are_installed_by_the_first_publication(app: App) -> None:
    """A catalog that was not prepared answers "unknown type" once."""
    assert "published" in outcomes(app.replay(app.events()[:1]))
    assert "custom_ml_model" in _types(app)


def _is_accelerators(entity: dict[str, dict[str, str]]) -> bool:
    return entity["attributes"]["qualifiedName"].startswith("pyapacheatlas://")
