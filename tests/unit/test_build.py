"""Build: a resolved run or endpoint becomes the same entities each time, and nothing in them is invented."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog.assets import build_model
from shared.catalog.build import build_endpoint, build_run_tree
from shared.catalog.entities import UNRESOLVED, UNSCANNED, VALUE_LIMIT, Entity, Evidence, Ref
from shared.catalog.kinds import CONTAINMENTS, list_ours
from shared.catalog.qualified_names import QualifiedName
from shared.model import (
    AssetId,
    Column,
    ColumnMapping,
    Data,
    DataAsset,
    Datastore,
    Deployment,
    Endpoint,
    Environment,
    Location,
    Package,
    Port,
    Run,
    RunTree,
    Unresolved,
    Workspace,
    WorkspaceId,
)
from shared.places.matching import Match, MatchKind, list_places, match_places
from tests.unit.examples import LAKE_URL, WORKSPACE, WS, at, data_asset, model, named, run, short, tree, unscanned, ws
from tests.unit.installed_types import ATTRIBUTES_OF

LOAN = data_asset("loan", at("raw/loan.csv"))
PRIVATE = at("azureml/prep/prepared/", run_id="prep")
PREPARED = data_asset("prepared", PRIVATE, by_run=True)
CONDA = Environment(AssetId("environments", "train-env", "7"), (Package("pandas", "2.2.0"), Package("numpy")))
DOCKER = Environment(AssetId("environments", "docker-env", "1"), None, "Defined by a Dockerfile.")
DATASET_URL = "https://app.powerbi.com/groups/g/datasets/d"
REPORT_URL = "https://app.powerbi.com/groups/g/reports/r"
DECLARED = "declared: tag lineage.column_mapping"

# One run of everything.
RICH = run(
    "prep",
    inputs={"loan": LOAN, "raw": at("raw/"), "gone": Unresolved("azureml://locations/x/data/gone/versions/1")},
    outputs={"prepared": PREPARED, "scratch": at("azureml/prep/scratch/", run_id="prep"), "m": model("churn")},
    environment=CONDA,
    parameters={"lr": "0.01"},
    metrics={"auc": 0.9, "loss": 0.1},
    column_mappings=(ColumnMapping("loan", "prepared", (("loanAmount", "amount"),), DECLARED),),
)


def build(*runs: Run, **more: Any) -> dict[str, Entity]:
    whole = tree(*runs, root_id="root")
    return named(build_run_tree(whole, matches=unscanned(whole), models=more.pop("models", {}), **more))


def step(*runs: Run, **more: Any) -> Entity:
    return build(*runs, **more)[f"runs/{runs[0].id}"]


def test_run_becomes_a_step_of_its_experiment_in_its_workspace() -> None:
    """A child carries its parent on every write, because Atlas demands it."""
    built = build(run("prep"))
    assert list(built) == [WS, "experiments/churn", "runs/prep"]
    assert built["runs/prep"].parents == {"experiment": Ref("custom_ml_experiment", ws("experiments/churn"))}
    assert built["experiments/churn"].parents == {"workspace": Ref("custom_ml_workspace", QualifiedName(WS))}


def test_registered_input_is_the_asset_alone() -> None:
    """The path it was registered from stays one hop away, behind the registration."""
    built = build(run("prep", inputs={"loan": LOAN}))
    registration = built["data/loan/versions/1/registration"]
    assert short(built["runs/prep"].inputs) == ["data/loan/versions/1"]
    assert short(registration.inputs) == [f"{LAKE_URL}/raw/loan.csv"]
    assert short(registration.outputs) == ["data/loan/versions/1"]


def test_registered_output_at_a_private_path_is_the_asset_alone() -> None:
    """Run and registration happened in one go, and nothing else can read the path."""
    built = build(run("prep", outputs={"prepared": PREPARED}))
    assert short(built["runs/prep"].outputs) == ["data/prepared/versions/1"]
    assert not any("registration" in name or name.startswith("https") for name in built)


def test_registered_output_at_a_path_of_its_own_is_the_asset_and_the_path() -> None:
    """Readers of the path must find the run that wrote it."""
    built = build(run("score", outputs={"scores": data_asset("scores", at("scores/"))}))
    assert short(built["runs/score"].outputs) == ["data/scores/versions/1", f"{LAKE_URL}/scores"]
    assert "data/scores/versions/1/registration" in built


def test_unregistered_data_is_the_path_itself() -> None:
    """Data that is not registered is in the graph all the same."""
    built = build(run("prep", inputs={"raw": at("raw/")}, outputs={"out": at("out.csv")}))
    assert short(built["runs/prep"].inputs) == [f"{LAKE_URL}/raw"]
    assert short(built["runs/prep"].outputs) == [f"{LAKE_URL}/out.csv"]


def test_place_that_no_scan_found_gets_a_labelled_placeholder() -> None:
    """Native type, the scanner's name, and a label that tells people why it is so bare."""
    placeholder = build(run("prep", inputs={"raw": at("raw/")}))[f"{LAKE_URL}/raw"]
    assert placeholder.ref.type_name == "azure_datalake_gen2_path"
    assert placeholder.attributes == {"name": "raw", "isFile": False}
    assert placeholder.labels == (UNSCANNED,)


@pytest.mark.parametrize("kind", [MatchKind.EXACT, MatchKind.RESOURCE_SET])
def test_scanned_place_is_linked_and_not_written(kind: MatchKind) -> None:
    """What a scan made, a scan looks after; the step points at the name the catalog has."""
    whole = tree(run("prep", inputs={"raw": at("raw/")}))
    scanned = Ref("azure_datalake_gen2_resource_set", QualifiedName(f"{LAKE_URL}/raw/{{SparkPartitions}}"))
    matches = {place.ref: Match(scanned, kind) for place in list_places(whole)}
    built = named(build_run_tree(whole, matches=matches, models={}))
    assert built["runs/prep"].inputs == (scanned,)
    assert not any(name.startswith("https") for name in built)


def test_data_outside_catalogued_storage_is_a_custom_dataset() -> None:
    """Purview scans no public URL, so it is not a placeholder."""
    iris = build(run("prep", inputs={"iris": Location("https://example.com/iris.csv")}))["https://example.com/iris.csv"]
    assert (iris.ref.type_name, iris.attributes, iris.labels) == (
        "custom_dataset",
        {"name": "iris.csv", "format": "csv"},
        (),
    )


def test_table_that_no_scan_found_gets_a_placeholder() -> None:
    """Purview takes a table only with its schema, and that only with its database: nothing we could make up."""
    url = "mssql://srv.database.windows.net/db/dbo/loan"
    placeholder = build(run("prep", inputs={"loan": Location(url)}))[url]
    assert (placeholder.ref.type_name, placeholder.labels) == ("custom_dataset", (UNSCANNED,))
    assert "azure_sql_table that Purview has not scanned yet" in str(placeholder.attributes["description"])


def test_glob_gets_a_placeholder_of_its_folder() -> None:
    """Which files it meant is the run's affair."""
    placeholder = build(run("prep", inputs={"raw": at("raw/*.csv")}))[f"{LAKE_URL}/raw"]
    assert placeholder.attributes == {"name": "raw", "isFile": False}


def test_registry_asset_is_a_custom_dataset_without_a_parent() -> None:
    """It has no datastore to carry."""
    iris = build(run("prep", inputs={"iris": data_asset("iris", None, registry="reg")}))
    assert iris["azureml://registries/reg/data/iris/versions/1"].ref.type_name == "custom_dataset"
    assert iris["azureml://registries/reg/data/iris/versions/1"].parents == {}


def test_unresolved_input_keeps_a_placeholder() -> None:
    """Lineage never shrinks because a look-up failed: Atlas would take a shorter list for the truth."""
    gone = "unresolved/azureml://locations/eastus2/workspaces/w/data/gone/versions/1"
    built = build(run("prep", inputs={"gone": Unresolved(gone.removeprefix("unresolved/")), "raw": at("raw/")}))
    assert short(built["runs/prep"].inputs) == [gone, f"{LAKE_URL}/raw"]
    assert (built[gone].ref.type_name, built[gone].labels) == ("custom_dataset", (UNRESOLVED,))


def test_asset_of_another_workspace_is_the_one_that_workspace_publishes() -> None:
    """What the other workspace's lineage calls it, so that both graphs meet."""
    other = Unresolved("?", WorkspaceId("s", "rg", "other"), AssetId("data", "loan", "3"))
    name = "azureml://subscriptions/s/resourcegroups/rg/workspaces/other/data/loan/versions/3"
    assert short(step(run("prep", inputs={"loan": other})).inputs) == [name]


def test_data_that_the_catalog_knows_from_better_days_is_linked_and_not_written() -> None:
    """A deleted asset keeps what was written of it while it was there."""
    whole = tree(run("prep", inputs={"loan": data_asset("loan", None)}))
    known = Ref("custom_ml_dataset", ws("data/loan/versions/1"))
    matches = match_places(list_places(whole), {known.qualified_name: known})
    built = named(build_run_tree(whole, matches=matches, models={}))
    assert built["runs/prep"].inputs == (known,)
    assert "data/loan/versions/1" not in built


def test_asset_of_an_unreadable_datastore_is_still_a_dataset_in_it() -> None:
    """The datastore is known by its name even where it cannot be read."""
    asset = DataAsset(AssetId("data", "loan", "1"), None, datastore=Datastore("locked", ""))
    built = build(run("prep", inputs={"loan": asset}))
    assert built["data/loan/versions/1"].ref.type_name == "custom_ml_dataset"
    assert "datastores/locked" in built


def test_unresolved_data_of_two_workspaces_is_two() -> None:
    """A relative reference means another thing in another workspace, and two workspaces never share a name."""
    names = []
    for workspace in ("w1", "w2"):
        missing = run("prep", inputs={"x": Unresolved("azureml://datastores/deleted/paths/raw/")})
        one = RunTree(
            Workspace(WorkspaceId("s", "rg", workspace), workspace, "eastus2"), "prep", "Completed", (missing,)
        )
        built = build_run_tree(one, matches=unscanned(one), models={})
        names += [entity.ref for entity in built if UNRESOLVED in entity.labels]
    assert len(set(names)) == 2


def test_listed_packages_are_an_input_with_each_package_below_it() -> None:
    """Which packages made this model is a question of lineage."""
    built = build(run("prep", environment=CONDA))
    environment = ws("environments/train-env/versions/7")
    assert short(built["runs/prep"].inputs) == ["environments/train-env/versions/7"]
    pandas = built["environments/train-env/versions/7#pandas"]
    assert pandas.parents == {"packages": Ref("custom_ml_packages", environment)}
    assert (pandas.attributes["package_name"], pandas.attributes["version"]) == ("pandas", "2.2.0")
    assert "version" not in built["environments/train-env/versions/7#numpy"].attributes


def test_package_shows_what_its_line_says_and_nothing_else() -> None:
    """Known by its normalised name, shown by the name as written; what the line does not say is left out."""
    line = Package(
        "Scikit_Learn", "", ">=1.5", ("x", "y"), 'python_version > "3.8"', "git+https://h.example.com/o/r.git@v1"
    )
    jar = Package("com.example:ours", "0.12", source="Maven", language="JVM")
    environment = Environment(AssetId("environments", "e", "1"), (line, jar))
    built = build(run("prep", environment=environment))
    assert built["environments/e/versions/1#scikit-learn"].attributes == {
        "name": "Scikit_Learn",
        "package_name": "Scikit_Learn",
        "specifier": ">=1.5",
        "extras": "x, y",
        "marker": 'python_version > "3.8"',
        "source": "git+https://h.example.com/o/r.git@v1",
        "programming_language": "Python",
        "notes": "No version is pinned.",
    }
    assert built["environments/e/versions/1#JVM:com.example:ours"].attributes == {
        "name": "com.example:ours",
        "package_name": "com.example:ours",
        "version": "0.12",
        "source": "Maven",
        "programming_language": "JVM",
    }


def test_environment_without_listed_packages_is_no_input() -> None:
    """A Dockerfile tells no packages; the step still names the environment, and the environment says why."""
    built = build(run("prep", environment=DOCKER))
    assert built["runs/prep"].inputs == ()
    assert built["runs/prep"].attributes["environment"] == ws("environments/docker-env/versions/1")
    assert built["environments/docker-env/versions/1"].attributes["notes"] == "Defined by a Dockerfile."


def test_config_is_there_only_with_parameters() -> None:
    """A run without settings has no empty settings entity."""
    assert "runs/prep/config" not in build(run("prep", compute="cpu-cluster"))
    built = build(run("prep", parameters={"lr": "0.01"}, compute="cpu-cluster"))
    assert short(built["runs/prep"].inputs) == ["runs/prep/config"]
    assert built["runs/prep/config"].attributes == {
        "name": "prep settings",
        "parameters": '{"lr": "0.01"}',
        "compute_target": "cpu-cluster",
    }


def test_metrics_are_there_only_if_logged() -> None:
    """Known metrics under the accelerator's names whatever their case, all of them in one attribute."""
    assert "runs/prep/metrics" not in build(run("prep"))
    built = build(run("prep", metrics={"auc": 0.9, "loss": 0.1}))
    assert short(built["runs/prep"].outputs) == ["runs/prep/metrics"]
    assert built["runs/prep/metrics"].attributes == {
        "name": "prep metrics",
        "AUC": "0.9",
        "metrics": '{"auc": 0.9, "loss": 0.1}',
    }


def test_metric_that_is_no_number_is_still_json() -> None:
    """A diverged loss is NaN, for which JSON has no word: readers of the attribute must be able to parse it."""
    built = build(run("prep", metrics={"loss": float("nan"), "bound": float("inf")}))
    json.loads(str(built["runs/prep/metrics"].attributes["metrics"]), parse_constant=pytest.fail)


def test_declared_columns_are_mapped_with_the_names_data_has_in_the_catalog() -> None:
    """After a match the scan's name counts, or Purview draws nothing."""
    mapping = ColumnMapping("raw", "prepared", (("loanAmount", "amount"),), DECLARED)
    whole = tree(run("prep", inputs={"raw": at("raw/")}, outputs={"prepared": PREPARED}, column_mappings=(mapping,)))
    found = {QualifiedName(f"{LAKE_URL}/raw/"): Ref("azure_datalake_gen2_path", QualifiedName(f"{LAKE_URL}/raw/"))}
    built = named(build_run_tree(whole, matches=match_places(list_places(whole), found), models={}))
    assert json.loads(str(built["runs/prep"].attributes["columnMapping"])) == [
        {
            "DatasetMapping": {"Source": f"{LAKE_URL}/raw/", "Sink": ws("data/prepared/versions/1")},
            "ColumnMapping": [{"Source": "loanAmount", "Sink": "amount"}],
        }
    ]
    assert built["runs/prep"].attributes["column_mapping_source"] == DECLARED


def test_every_edge_has_evidence_with_the_field_and_the_place_it_was_matched_by() -> None:
    """The ledger keeps it; an output at a path of its own is written because of two fields."""
    own_path = data_asset("scores", at("scores/"), by_run=True)
    inputs, outputs = (Port("loan", LOAN, "inputs.loan"),), (Port("scores", own_path, "outputs.scores"),)
    entities = build(replace(run("prep"), inputs=inputs, outputs=outputs))
    for entity in entities.values():
        flows = {(each.end, each.is_output) for each in entity.evidence}
        assert flows == {(ref, False) for ref in entity.inputs or ()} | {(ref, True) for ref in entity.outputs or ()}
    place = Ref("azure_datalake_gen2_path", QualifiedName(f"{LAKE_URL}/scores"))
    scores = Ref("custom_ml_dataset", ws("data/scores/versions/1"))
    loan = Ref("custom_ml_dataset", ws("data/loan/versions/1"))
    assert entities["runs/prep"].evidence == (
        Evidence(loan, is_output=False, field="inputs.loan"),
        Evidence(scores, is_output=True, field="outputs.scores"),
        Evidence(place, True, "outputs.scores and properties.dataUri of scores:1", place=place),
    )


def test_evidence_is_not_part_of_the_fingerprint() -> None:
    """A better explanation is no reason to write an entity again."""
    entity = build(RICH)["runs/prep"]
    assert replace(entity, evidence=()).fingerprint == entity.fingerprint


def test_run_is_described_for_people_and_leads_to_studio() -> None:
    """In attributes that Purview shows; the owner in the one that all its assets have."""
    owner = "99999999-2222-0000-0000-000000000000"
    submitted = run(
        "prep", description="Trains.", owner=owner, tags={"team": "risk"}, created_at="2026-07-01T10:00:00Z"
    )
    built = step(submitted).attributes
    assert {name: built[name] for name in ("description", "owner", "tags", "created_at", "studio_url")} == {
        "description": "Trains.",
        "owner": owner,
        "tags": '{"team": "risk"}',
        "created_at": "2026-07-01T10:00:00Z",
        "studio_url": "https://ml.azure.com/runs/prep?wsid=/subscriptions/00000000-0000-0000-0000-000000000000"
        "/resourcegroups/rg-ml/workspaces/ws-ml",
    }


@pytest.mark.parametrize(
    ("created_by", "owner"),
    [
        ("ann@contoso.com", "ann@contoso.com"),
        ("99999999-2222-0000-0000-000000000000", "99999999-2222-0000-0000-000000000000"),
        ("Ann Example", None),
        ("", None),
    ],
)
def test_owner_of_an_asset_is_an_object_id_or_a_principal_name(created_by: str, owner: str | None) -> None:
    """A mere name says who made it, and is not a principal that Purview knows."""
    built = build_model(WORKSPACE, replace(model("churn"), created_by=created_by)).attributes
    assert (built.get("owner"), built.get("createdby")) == (owner, created_by or None)


def test_asset_of_a_registry_has_no_link_to_studio() -> None:
    """It has no workspace to be shown in."""
    of_registry = replace(model("churn"), id=AssetId("models", "churn", "1", "azureml"))
    assert "studio_url" not in build_model(WORKSPACE, of_registry).attributes


def test_long_name_is_cut_to_what_the_catalog_takes_of_a_name() -> None:
    """4 KB, where other values may have 32."""
    name = str(step(run("prep", name="ü" * 5_000)).attributes["name"])
    assert len(name.encode()) <= 4_096
    assert name.endswith("(cut at 4 KB)")


def test_declared_columns_are_the_schema_of_the_asset_and_no_part_of_lineage() -> None:
    """Purview's own types, so that its Schema tab shows them."""
    loan = replace(LOAN, columns=(Column("loanAmount", "double"), Column("Höhe #1")))
    built = build(run("prep", inputs={"loan": loan}))
    schema = Ref("tabular_schema", ws("data/loan/versions/1/schema"))
    assert built["data/loan/versions/1"].parents["tabular_schema"] == schema
    column = built["data/loan/versions/1/schema#loanAmount"]
    assert (column.parents, column.attributes["type"]) == ({"composeSchema": schema}, "double")
    assert "type" not in built["data/loan/versions/1/schema#Höhe #1"].attributes
    assert short(built["runs/prep"].inputs) == ["data/loan/versions/1"]


def test_columns_that_were_not_declared_are_not_mapped() -> None:
    """The accelerator invented mappings; we do not."""
    assert "columnMapping" not in step(run("prep", inputs={"loan": LOAN}, outputs={"prepared": PREPARED})).attributes


@pytest.mark.parametrize(
    "mapping", [ColumnMapping("typo", "prepared", (), DECLARED), ColumnMapping("loan", "typo", (), DECLARED)]
)
def test_mapping_of_an_unknown_port_is_in_the_notes(mapping: ColumnMapping) -> None:
    """The author of the tag reads there what is wrong."""
    built = step(run("prep", inputs={"loan": LOAN}, outputs={"prepared": PREPARED}, column_mappings=(mapping,)))
    assert "columnMapping" not in built.attributes
    assert "typo" in str(built.attributes["notes"])


def test_mapping_too_long_for_the_catalog_is_left_out_whole() -> None:
    """Half a JSON text would be unreadable."""
    columns = tuple((f"column{number}", f"column{number}") for number in range(1_000))
    mapping = ColumnMapping("loan", "prepared", columns, DECLARED)
    built = step(run("prep", inputs={"loan": LOAN}, outputs={"prepared": PREPARED}, column_mappings=(mapping,)))
    assert "columnMapping" not in built.attributes
    assert "32 KB" in str(built.attributes["notes"])


def test_long_value_is_cut_to_what_the_catalog_takes() -> None:
    """Purview refuses more than 32 KB; a cut command is better than no step."""
    command = str(step(run("prep", command="x" * 50_000)).attributes["command"])
    assert len(command) <= VALUE_LIMIT
    assert command.endswith("(cut at 32 KB)")


@pytest.mark.parametrize("letter", ["x", "ü", "語"])
def test_long_value_is_measured_as_the_catalog_measures_it(letter: str) -> None:
    """The limit is in bytes, and not every letter is one."""
    assert len(str(step(run("prep", command=letter * 50_000)).attributes["command"]).encode()) <= 32 * 1024


def test_model_registered_from_a_run_is_its_output() -> None:
    """The run's own record does not say so; the handler tells."""
    registered = Ref("custom_ml_model", ws("models/churn/versions/5"))
    assert step(run("train"), models={"train": (registered,), "other": ()}).outputs == (registered,)


def test_model_version_is_written_with_its_exact_version() -> None:
    """Another version is another entity."""
    built = build(run("train", outputs={"m": model("Churn", "5")}))
    assert built["models/Churn/versions/5"].attributes["version"] == "5"


def test_same_data_of_two_runs_is_one_entity() -> None:
    """What one run wrote and another read is what joins them."""
    one = run("prep", outputs={"prepared": PREPARED}, environment=CONDA)
    two = run("train", inputs={"data": PREPARED}, environment=CONDA)
    whole = tree(one, two, root_id="root")
    entities = build_run_tree(whole, matches=unscanned(whole), models={})
    assert len({entity.ref for entity in entities}) == len(entities)
    assert set(short(named(entities)["runs/prep"].outputs)) <= set(short(named(entities)["runs/train"].inputs))


def test_input_named_twice_is_one_edge() -> None:
    """Two ports may be bound to the same data."""
    assert short(step(run("prep", inputs={"a": LOAN, "b": LOAN})).inputs) == ["data/loan/versions/1"]


@given(st.permutations([RICH, run("train", inputs={"data": PREPARED}), run("again", inputs={"loan": LOAN})]), st.data())
def test_order_of_runs_and_ports_does_not_matter(runs: list[Run], data: st.DataObject) -> None:
    """The same input in any order gives the same entities in the same order."""
    shuffled = [
        Run(
            **{
                **{name: getattr(one, name) for name in Run.__dataclass_fields__},
                "inputs": tuple(data.draw(st.permutations(one.inputs))),
                "outputs": tuple(data.draw(st.permutations(one.outputs))),
            }
        )
        for one in runs
    ]
    built = build(*shuffled)
    assert list(built.items()) == list(build(*sorted(runs, key=lambda one: one.id)).items())


def test_entities_are_in_order_of_their_names() -> None:
    """So that two builds can be compared and a request is the same each time."""
    whole = tree(RICH, run("a"), root_id="root")
    names = [entity.ref.qualified_name for entity in build_run_tree(whole, matches=unscanned(whole), models={})]
    assert names == sorted(names)


def test_only_the_run_asked_for_is_built() -> None:
    """Of a tree that has not ended, the run that made a model is all there is to tell."""
    built = build(run("train", inputs={"data": PREPARED}), run("other", inputs={"loan": LOAN}), only="train")
    assert "runs/train" in built
    assert not any("other" in name or "loan" in name for name in built)


def test_predictions_flow_on_to_the_power_bi_report_their_tags_name() -> None:
    """The reference graph ends there: data asset → Power BI dataset → report."""
    predictions = data_asset("predictions", PRIVATE, powerbi_dataset=DATASET_URL, powerbi_report=REPORT_URL)
    built = build(run("score", outputs={"predictions": predictions}))
    to_dataset = built["data/predictions/versions/1/powerbi/datasets/d"]
    to_report = built["data/predictions/versions/1/powerbi/reports/r"]
    assert [short(to_dataset.inputs), short(to_dataset.outputs)] == [["data/predictions/versions/1"], [DATASET_URL]]
    assert [short(to_report.inputs), short(to_report.outputs)] == [[DATASET_URL], [REPORT_URL]]
    assert built[REPORT_URL].labels == (UNSCANNED,)


def test_deployment_leads_from_model_versions_to_the_endpoint() -> None:
    """Where a model runs is one hop from it."""
    deployment = Deployment("blue", (model("churn", "5"), model("churn", "4")), instance_type="Standard_DS3_v2")
    built = named(build_endpoint(Endpoint(WORKSPACE, "churn-ep", "Managed", deployments=(deployment,)), matches={}))
    blue = built["endpoints/churn-ep/deployments/blue"]
    assert short(blue.inputs) == ["models/churn/versions/4", "models/churn/versions/5"]
    assert short(blue.outputs) == ["endpoints/churn-ep"]


def test_endpoint_without_deployments_is_written_alone() -> None:
    """It is there, serving nothing yet."""
    assert list(named(build_endpoint(Endpoint(WORKSPACE, "churn-ep", "Managed"), matches={}))) == ["endpoints/churn-ep"]


def test_model_is_the_same_entity_from_a_run_and_from_an_endpoint() -> None:
    """Every event that meets a model version writes the same, in whatever order they come."""
    from_run = build(run("train", outputs={"m": model("churn", "5")}))["models/churn/versions/5"]
    endpoint = Endpoint(WORKSPACE, "e", "Managed", deployments=(Deployment("blue", (model("churn", "5"),)),))
    assert named(build_endpoint(endpoint, matches={}))["models/churn/versions/5"] == from_run


names = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=5)
locations = st.builds(at, names) | st.builds(lambda path: at(f"azureml/x/{path}/", run_id="x"), names)
some_data: st.SearchStrategy[Data] = (
    locations
    | st.builds(Location, st.builds(lambda path: f"https://example.com/{path}", names))
    | st.builds(data_asset, names, st.none() | locations, by_run=st.booleans())
    | st.builds(data_asset, names, st.none(), registry=st.just("reg"))
    | st.builds(lambda name: data_asset(name, None, powerbi_dataset=DATASET_URL, powerbi_report=REPORT_URL), names)
    | st.builds(model, names)
    | st.builds(Unresolved, names)
)
ports = st.dictionaries(names, some_data, max_size=4)
runs = st.builds(
    run,
    names,
    inputs=ports,
    outputs=ports,
    environment=st.sampled_from([None, CONDA, DOCKER]),
    parameters=st.dictionaries(names, names, max_size=2),
    metrics=st.dictionaries(names, st.floats(), max_size=2),
    experiment=names,
    command=st.just("") | names,
)
trees = st.builds(
    lambda several: tree(*several, root_id="root"), st.lists(runs, max_size=4, unique_by=lambda one: one.id)
)
PROCESSES = {kind.type_name for kind in list_ours() if kind.super_type == "Process"}


@given(trees)
def test_no_attribute_is_ever_null_or_empty(whole: RunTree) -> None:
    """What null means to the catalog is undocumented; a member that is absent means unchanged."""
    for entity in build_run_tree(whole, matches=unscanned(whole), models={}):
        assert None not in entity.attributes.values()
        assert "" not in entity.attributes.values()


@given(trees)
def test_no_process_is_ever_an_end_of_a_process(whole: RunTree) -> None:
    """Atlas refuses it, and people expect data between two steps."""
    for entity in build_run_tree(whole, matches=unscanned(whole), models={}):
        ends = {ref.type_name for ref in (*(entity.inputs or ()), *(entity.outputs or ()))}
        assert not ends & PROCESSES


@given(trees)
def test_everything_an_entity_points_at_is_built_beside_it(whole: RunTree) -> None:
    """A request must be closed under references where the catalog knows nothing yet."""
    entities = build_run_tree(whole, matches=unscanned(whole), models={})
    built = {entity.ref for entity in entities}
    for entity in entities:
        assert built.issuperset(entity.references)


@given(trees)
def test_every_attribute_is_declared_by_its_type(whole: RunTree) -> None:
    """An attribute that the type does not have is dropped by the catalog without a word."""
    for entity in build_run_tree(whole, matches=unscanned(whole), models={}):
        assert set(entity.attributes) <= ATTRIBUTES_OF[entity.ref.type_name]


@given(trees)
def test_child_always_carries_its_parent(whole: RunTree) -> None:
    """COMPOSITION: needed on creation and on every full update."""
    parent_of = {containment.child_type: containment.parent_attribute for containment in CONTAINMENTS}
    for entity in build_run_tree(whole, matches=unscanned(whole), models={}):
        expected = parent_of.get(entity.ref.type_name)
        assert list(entity.parents) == ([expected] if expected else [])


@given(trees)
def test_built_twice_is_built_the_same(whole: RunTree) -> None:
    """Pure: unchanged content has an unchanged fingerprint, which costs no write."""
    once = build_run_tree(whole, matches=unscanned(whole), models={})
    again = build_run_tree(whole, matches=unscanned(whole), models={})
    assert [entity.fingerprint for entity in once] == [entity.fingerprint for entity in again]


@pytest.mark.parametrize(
    "changed",
    [
        run("prep", inputs={"raw": at("raw/")}, status="Finished"),
        run("prep", inputs={"raw": at("other/")}),
        run("prep", outputs={"raw": at("raw/")}),
        run("prep", inputs={"raw": at("raw/")}, experiment="another"),
    ],
    ids=["attribute", "input", "output", "parent"],
)
def test_changed_step_has_another_fingerprint(changed: Run) -> None:
    """Whatever would be written differently is written."""
    assert step(changed).fingerprint != step(run("prep", inputs={"raw": at("raw/")})).fingerprint


def test_label_does_not_change_the_fingerprint() -> None:
    """Labels are given on creation only; people change them, and we do not fight over them."""
    entity = build(run("prep", inputs={"raw": at("raw/")}))[f"{LAKE_URL}/raw"]
    assert Entity(entity.ref, entity.attributes).fingerprint == entity.fingerprint
