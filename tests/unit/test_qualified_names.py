"""Qualified names: one name for one thing, and Purview's own where Purview has one."""

from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.catalog import qualified_names
from shared.catalog.qualified_names import ParsedName, QualifiedName, parse
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
def test_case_of_the_arm_id_does_not_matter(name_in: Callable[[WorkspaceId], QualifiedName], rest: str) -> None:
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


free_texts = st.text(min_size=1)
"""What Azure ML and others leave to people: spaces, slashes, `%2F`, `#`, braces, any script."""


@given(workspaces, st.sampled_from(["data", "models", "environments"]), segments, segments, free_texts)
def test_name_parses_back_to_what_it_was_made_from(
    workspace: WorkspaceId, kind: str, one: str, other: str, free: str
) -> None:
    """What `parse` returns is all that the name was made from, and it says what kind of thing has the name."""
    asset, data, environment = (
        AssetId(kind, one, other),
        AssetId("data", one, other),
        AssetId("environments", one, other),
    )
    data_name, run = qualified_names.of_asset(workspace, data), qualified_names.of_run(workspace, one)
    schema, endpoint = qualified_names.of_schema(data_name), qualified_names.of_endpoint(workspace, one)
    package = qualified_names.of_package(qualified_names.of_asset(workspace, environment), free)
    link = qualified_names.of_power_bi_link(data_name, f"https://app.powerbi.com/groups/g/reports/{one}")
    assert parse(qualified_names.of_workspace(workspace)) == ParsedName("workspace", workspace)
    assert parse(qualified_names.of_datastore(workspace, one)) == ParsedName("datastore", workspace, name=one)
    assert parse(qualified_names.of_asset(workspace, asset)) == ParsedName("asset", workspace, asset=asset)
    assert parse(qualified_names.of_registration(data_name)) == ParsedName("registration", workspace, asset=data)
    assert parse(schema) == ParsedName("schema", workspace, asset=data)
    assert parse(qualified_names.of_column(schema, free)) == ParsedName(
        "schema_column", workspace, asset=data, name=free
    )
    assert parse(package) == ParsedName("package", workspace, asset=environment, name=free)
    assert parse(qualified_names.of_experiment(workspace, free)) == ParsedName("experiment", workspace, name=free)
    assert parse(run) == ParsedName("run", workspace, run_id=one)
    assert parse(qualified_names.of_config(run)) == ParsedName("config", workspace, run_id=one)
    assert parse(qualified_names.of_metrics(run)) == ParsedName("metrics", workspace, run_id=one)
    assert parse(endpoint) == ParsedName("endpoint", workspace, endpoint=one)
    deployment = ParsedName("deployment", workspace, endpoint=one, name=other)
    assert parse(qualified_names.of_deployment(endpoint, other)) == deployment
    unresolved = qualified_names.of_unresolved(workspace, Unresolved(free))
    assert parse(unresolved) == ParsedName("unresolved", workspace, name=free)
    assert parse(link) == ParsedName("power_bi_link", workspace, asset=data, name=f"reports/{one}")


@given(free_texts, free_texts, st.uuids())
def test_name_of_a_job_parses_back_to_what_it_was_made_from(namespace: str, free: str, run: UUID) -> None:
    """The namespace of a job is free text too, often a URL; it comes back as it was."""
    run_id = str(run)
    assert parse(qualified_names.of_job_namespace(namespace)) == ParsedName("job_namespace", namespace=namespace)
    assert parse(qualified_names.of_job(namespace, free)) == ParsedName("job", namespace=namespace, name=free)
    job_run = ParsedName("job_run", namespace=namespace, run_id=run_id)
    assert parse(qualified_names.of_job_run(namespace, run_id)) == job_run
    dataset = ParsedName("unresolved_dataset", namespace=namespace, name=free)
    assert parse(qualified_names.of_unresolved_dataset(namespace, free)) == dataset


@pytest.mark.parametrize(
    "name",
    [
        "https://lake.dfs.core.windows.net/fs/raw/runs/r",
        "mssql://sql.database.windows.net/credit/dbo/loan",
        f"{WS}/datastores/lake/paths/raw",
        "azureml://lineage-doctor/1",
        "openlineage://default/runs/no-uuid",
        "",
    ],
)
def test_name_that_is_not_ours_is_not_parsed(name: str) -> None:
    """Purview's scanners have their own names, and not all that begins like ours is one."""
    assert parse(name) is None


@pytest.mark.parametrize("rest", ["", "/"])
def test_workspace_is_recognised_in_any_case(rest: str) -> None:
    """Where people or other tools name a workspace, Azure's case is not ours."""
    assert qualified_names.workspace_of(f"{WS.upper()}{rest}") == WORKSPACE_ID
    assert qualified_names.workspace_of(f"{WS}/runs/r") is None
    assert qualified_names.in_our_case(f"{WS.upper()}/data/Loan/versions/3") == f"{WS}/data/Loan/versions/3"


def test_asset_of_a_registry_is_named_without_a_workspace() -> None:
    """All workspaces mean the same curated environment."""
    names = {qualified_names.of_asset(WorkspaceId("s", "rg", name), CURATED) for name in ("w1", "w2")}
    assert names == {"azureml://registries/azureml/environments/sklearn-1.5/versions/40"}
    package = qualified_names.of_package(names.pop(), "pandas")
    assert parse(package) == ParsedName("package", asset=CURATED, name="pandas")


def test_power_bi_link_is_named_by_both_its_ends() -> None:
    """A name of ours: reusing that of a scanned process would replace its inputs."""
    source = qualified_names.of_asset(WORKSPACE_ID, DATA)
    link = qualified_names.of_power_bi_link(source, "https://app.powerbi.com/groups/g/reports/r/")
    assert link == f"{WS}/data/Loan/versions/3/powerbi/reports/r"
    lake = QualifiedName("https://lake.dfs.core.windows.net/fs/p")
    link = qualified_names.of_power_bi_link(lake, "https://app.powerbi.com/groups/g/reports/r")
    assert parse(link) == ParsedName("power_bi_link", name="reports/r")
