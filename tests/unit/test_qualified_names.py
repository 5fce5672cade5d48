"""Qualified names: one name for one thing, whoever asks, and Purview's own where Purview has one."""

import re
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.catalog import qualified_names
from shared.catalog.qualified_names import QualifiedName
from shared.model import AssetId, Unresolved, WorkspaceId
from tests.unit.examples import WORKSPACE_ID, WS

MODEL = AssetId("models", "Churn", "5")
DATA = AssetId("data", "Loan", "3")
ENVIRONMENT = AssetId("environments", "train-env", "7")
CURATED = AssetId("environments", "sklearn-1.5", "40", "azureml")

# What a name of a workspace's thing is made of, besides the workspace.
IN_WORKSPACE: dict[str, tuple[Callable[[WorkspaceId], QualifiedName], str]] = {
    "workspace": (qualified_names.of_workspace, ""),
    "datastore": (lambda ws: qualified_names.of_datastore(ws, "lake"), "/datastores/lake"),
    "data asset": (lambda ws: qualified_names.of_asset(ws, DATA), "/data/Loan/versions/3"),
    "registration": (
        lambda ws: qualified_names.of_registration(qualified_names.of_asset(ws, DATA)),
        "/data/Loan/versions/3/registration",
    ),
    "experiment": (lambda ws: qualified_names.of_experiment(ws, "Churn-Train"), "/experiments/Churn-Train"),
    "run": (lambda ws: qualified_names.of_run(ws, "cmd_1"), "/runs/cmd_1"),
    "config": (lambda ws: qualified_names.of_config(qualified_names.of_run(ws, "cmd_1")), "/runs/cmd_1/config"),
    "metrics": (lambda ws: qualified_names.of_metrics(qualified_names.of_run(ws, "cmd_1")), "/runs/cmd_1/metrics"),
    "environment": (lambda ws: qualified_names.of_asset(ws, ENVIRONMENT), "/environments/train-env/versions/7"),
    "package": (
        lambda ws: qualified_names.of_package(qualified_names.of_asset(ws, ENVIRONMENT), "pandas"),
        "/environments/train-env/versions/7#pandas",
    ),
    "model": (lambda ws: qualified_names.of_asset(ws, MODEL), "/models/Churn/versions/5"),
    "endpoint": (lambda ws: qualified_names.of_endpoint(ws, "churn-ep"), "/endpoints/churn-ep"),
    "deployment": (
        lambda ws: qualified_names.of_deployment(qualified_names.of_endpoint(ws, "churn-ep"), "blue"),
        "/endpoints/churn-ep/deployments/blue",
    ),
}
each_thing = pytest.mark.parametrize(("name_in", "rest"), IN_WORKSPACE.values(), ids=IN_WORKSPACE.keys())


@each_thing
def test_thing_of_a_workspace_is_named_below_it(name_in: Callable[[WorkspaceId], QualifiedName], rest: str) -> None:
    """The table of names, line by line."""
    assert name_in(WORKSPACE_ID) == f"{WS}{rest}"


@each_thing
def test_spelling_of_the_arm_id_does_not_matter(name_in: Callable[[WorkspaceId], QualifiedName], rest: str) -> None:
    """One workspace has one name, whatever case Azure writes its id in."""
    arm_id = WORKSPACE_ID.arm_id
    assert name_in(WorkspaceId.parse(arm_id.upper())) == name_in(WorkspaceId.parse(f"{arm_id.lower()}/"))


@each_thing
def test_things_of_one_workspace_have_names_of_their_own(
    name_in: Callable[[WorkspaceId], QualifiedName], rest: str
) -> None:
    """No two kinds of thing share a name."""
    others = [other(WORKSPACE_ID) for other, tail in IN_WORKSPACE.values() if tail != rest]
    assert name_in(WORKSPACE_ID) not in others


segments = st.text(st.characters(categories=("L", "N"), include_characters="-_.()"), min_size=1, max_size=8)
workspaces = st.builds(
    lambda subscription, group, name: WorkspaceId(subscription.lower(), group.lower(), name.lower()),
    segments,
    segments,
    segments,
)


@given(workspaces, workspaces, st.sampled_from([name_in for name_in, _ in IN_WORKSPACE.values()]))
def test_two_workspaces_never_share_a_name(
    one: WorkspaceId, other: WorkspaceId, name_in: Callable[[WorkspaceId], QualifiedName]
) -> None:
    """The accelerator's great fault: names without a workspace, so that one overwrote the other."""
    assume(one != other)
    assert name_in(one) != name_in(other)


@given(st.sampled_from(["data", "models", "environments"]), segments, segments, segments, segments)
def test_two_versions_never_share_a_name(kind: str, name: str, version: str, other_name: str, other: str) -> None:
    """Versions are exact: a later one never rewrites an earlier one."""
    assume((name, version) != (other_name, other))
    one = qualified_names.of_asset(WORKSPACE_ID, AssetId(kind, name, version))
    assert one != qualified_names.of_asset(WORKSPACE_ID, AssetId(kind, other_name, other))


FORMS = {
    "workspace": r"",
    "datastore": r"/datastores/([^/]+)",
    "asset": r"/(data|models|environments)/([^/]+)/versions/([^/#]+)",
    "registration": r"/(data)/([^/]+)/versions/([^/#]+)/registration",
    "schema": r"/(data)/([^/]+)/versions/([^/#]+)/schema",
    "column": r"/(data)/([^/]+)/versions/([^/#]+)/schema#(.+)",
    "package": r"/(environments)/([^/]+)/versions/([^/#]+)#(.+)",
    "experiment": r"/experiments/(.+)",
    "run": r"/runs/([^/]+)",
    "config": r"/runs/([^/]+)/config",
    "metrics": r"/runs/([^/]+)/metrics",
    "endpoint": r"/endpoints/([^/]+)",
    "deployment": r"/endpoints/([^/]+)/deployments/([^/]+)",
    "unresolved": r"/unresolved/(.+)",
}
"""The table of docs/catalog-model.md, read from right to left; what comes last may hold anything."""


def made_from(name: QualifiedName) -> list[tuple[str, tuple[str, ...]]]:
    """Tell of what kinds of thing this may be the name, and what it was made from after its workspace."""
    assert name.startswith(WS)
    matches = ((kind, re.fullmatch(form, name[len(WS) :], re.DOTALL)) for kind, form in FORMS.items())
    return [(kind, match.groups()) for kind, match in matches if match]


@given(st.sampled_from(["data", "models", "environments"]), segments, segments, st.text(min_size=1))
def test_name_parses_back_to_what_it_was_made_from(kind: str, one: str, other: str, free: str) -> None:
    """Whatever the names hold that Azure ML leaves to people: spaces, slashes, `%2F`, `#`, braces, any script."""
    asset = qualified_names.of_asset(WORKSPACE_ID, AssetId(kind, one, other))
    data = qualified_names.of_asset(WORKSPACE_ID, AssetId("data", one, other))
    environment = qualified_names.of_asset(WORKSPACE_ID, AssetId("environments", one, other))
    run, endpoint = qualified_names.of_run(WORKSPACE_ID, one), qualified_names.of_endpoint(WORKSPACE_ID, one)
    assert made_from(asset) == [("asset", (kind, one, other))]
    assert made_from(qualified_names.of_registration(data)) == [("registration", ("data", one, other))]
    schema = qualified_names.of_schema(data)
    assert made_from(schema) == [("schema", ("data", one, other))]
    assert made_from(qualified_names.of_column(schema, free)) == [("column", ("data", one, other, free))]
    assert made_from(qualified_names.of_package(environment, free)) == [("package", ("environments", one, other, free))]
    assert made_from(qualified_names.of_experiment(WORKSPACE_ID, free)) == [("experiment", (free,))]
    assert made_from(qualified_names.of_unresolved(WORKSPACE_ID, Unresolved(free))) == [("unresolved", (free,))]
    assert made_from(qualified_names.of_datastore(WORKSPACE_ID, one)) == [("datastore", (one,))]
    assert made_from(run) == [("run", (one,))]
    assert made_from(qualified_names.of_config(run)) == [("config", (one,))]
    assert made_from(qualified_names.of_metrics(run)) == [("metrics", (one,))]
    assert made_from(endpoint) == [("endpoint", (one,))]
    assert made_from(qualified_names.of_deployment(endpoint, other)) == [("deployment", (one, other))]


def test_asset_of_a_registry_is_named_without_a_workspace() -> None:
    """All workspaces mean the same curated environment."""
    names = {qualified_names.of_asset(WorkspaceId("s", "rg", name), CURATED) for name in ("w1", "w2")}
    assert names == {"azureml://registries/azureml/environments/sklearn-1.5/versions/40"}


def test_power_bi_link_is_named_by_both_its_ends() -> None:
    """A name of ours: reusing that of a scanned process would replace its inputs."""
    source = qualified_names.of_asset(WORKSPACE_ID, DATA)
    link = qualified_names.of_power_bi_link(source, "https://app.powerbi.com/groups/g/reports/r/")
    assert link == f"{WS}/data/Loan/versions/3/powerbi/reports/r"
