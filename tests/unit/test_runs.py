"""Runs: what run history records of a run is read as it is, and nothing is read into it."""

from typing import Any

import pytest

from shared.azure_ml.run.inputs_outputs import Binding, describe_unread_ports, list_bindings
from shared.azure_ml.run.records import Record, to_run
from shared.model import ColumnMapping, Run

LOC = "azureml://locations/eastus2/workspaces/11111111-1111-1111-1111-111111111111"
RUN_ID = "aaaaaaaa-0000-0000-0000-000000000001"
CHURN = {"assetId": f"{LOC}/data/churn/versions/3", "type": "UriFolder"}


def anonymous(output: str) -> dict[str, str]:
    return {"assetId": f"{LOC}/data/azureml_{RUN_ID}_output_data_{output}/versions/1", "type": "UriFolder"}


def record(*, definition: dict[str, Any] | None = None, **metadata: Any) -> Record:
    """Read a rundata answer in which the members at hand are set."""
    described = {"runId": RUN_ID, "rootRunId": "pipe_0001", "status": "Completed", **metadata}
    return Record.from_json({"runMetadata": described, "runDefinition": definition})


def read(
    *,
    mlflow: dict[str, Any] | None = None,
    definition: dict[str, Any] | None = None,
    settings: dict[str, str] | None = None,
    **metadata: Any,
) -> Run:
    found = record(definition=definition, **metadata)
    return to_run(found, experiment="churn-train", inputs=[], outputs=[], mlflow=mlflow, settings=settings or {})


def test_description_and_own_tags_of_a_run_are_kept_and_what_services_note_is_not() -> None:
    """A steward reads what people wrote; kilobytes of notes that Azure ML makes for itself do not help."""
    tags = {
        "team": "risk",
        "api_key": "SECRET",
        "azureml.pipeline": "p",
        "mlflow.user": "Ann",
        "_aml_system_platform_config": "{}",
        "automl_best_child_run_id": "a_1",
        "lineage.column_mapping": "[]",
        "hyperparameters": "{}",
    }
    found = read(description="Trains with https://acct.blob.core.windows.net/c?sig=SECRET", tags=tags)
    assert found.description == "Trains with https://acct.blob.core.windows.net/c"
    assert found.tags == {"team": "risk", "api_key": "[redacted]"}


@pytest.mark.parametrize(("owners", "expected"), [(True, "99999999-2222-0000-0000-000000000000"), (False, "")])
def test_who_submitted_a_run_is_read_only_if_owners_are_asked_for(owners: bool, expected: str) -> None:
    """It is personal data: the object id at most, never the name."""
    created_by = {"userObjectId": "99999999-2222-0000-0000-000000000000", "userName": "Ann Example"}
    found = to_run(
        record(createdBy=created_by),
        experiment="e",
        inputs=[],
        outputs=[],
        mlflow=None,
        settings={},
        owners=owners,
    )
    assert found.owner == expected
    assert "Ann" not in repr(found)


def test_parameters_come_from_mlflow_the_definition_and_the_environment() -> None:
    """Three places record literals; all of them are settings of the run."""
    found = read(
        mlflow={"data": {"params": [{"key": "lr", "value": "0.01"}]}},
        definition={
            "parameters": {"epochs": 5},
            "environmentVariables": {"AZUREML_PARAMETER_Node_Count": "1", "PATH": "/bin"},
        },
    )
    assert found.parameters == {"lr": "0.01", "epochs": "5", "Node_Count": "1"}


def test_settings_of_the_job_are_parameters_too() -> None:
    """What only an AutoML or sweep job knows stands beside what the run logged; what was logged is what was used."""
    found = read(
        settings={"primary_metric": "AUC", "lr": "?"}, mlflow={"data": {"params": [{"key": "lr", "value": "1"}]}}
    )
    assert found.parameters == {"primary_metric": "AUC", "lr": "1"}


@pytest.mark.parametrize("parameters", [[], None])
def test_definition_without_parameters_has_none(parameters: object) -> None:
    """The wire has an empty list where there are none."""
    assert read(definition={"parameters": parameters}).parameters == {}


def test_secret_parameter_is_redacted() -> None:
    """By its name, or by what its value shows."""
    found = read(
        definition={
            "parameters": {"api_key": "hunter2", "source": "https://a.blob.core.windows.net/c/f.csv?sv=1&sig=hunter2"}
        }
    )
    assert found.parameters == {"api_key": "[redacted]", "source": "https://a.blob.core.windows.net/c/f.csv"}


def test_secret_on_the_command_line_is_redacted() -> None:
    """A command is shown in the catalog to everyone who reads lineage."""
    assert "hunter2" not in read(definition={"command": "python train.py --api-key hunter2 --data raw"}).command


def test_metrics_are_the_last_values_logged() -> None:
    """As MLflow's answer has them."""
    logged = {"data": {"metrics": [{"key": "accuracy", "value": 0.973, "step": 0}, {"key": "AUC", "value": 1}]}}
    assert read(mlflow=logged).metrics == {"accuracy": 0.973, "AUC": 1.0}


def test_run_without_an_mlflow_record_has_neither_parameters_nor_metrics() -> None:
    """Not every run logs."""
    found = read(mlflow=None)
    assert (found.parameters, found.metrics) == ({}, {})


def test_run_is_named_as_people_see_it() -> None:
    """The display name, else the name, else the id."""
    assert [read(displayName="Prep", name="prep").name, read(name="prep").name, read().name] == ["Prep", "prep", RUN_ID]


def test_git_and_component_come_from_the_properties() -> None:
    """Who asks which code made a model is answered here."""
    found = read(
        properties={
            "mlflow.source.git.repoURL": "https://user:hunter2@github.com/contoso/churn.git",
            "mlflow.source.git.branch": "main",
            "mlflow.source.git.commit": "0000000000000000000000000000000000000001",
            "azureml.git.dirty": "True",
            "azureml.moduleName": "prep",
            "azureml.moduleVersion": "1",
        }
    )
    assert (found.git_repository, found.git_branch, found.git_commit, found.git_dirty, found.component) == (
        "https://github.com/contoso/churn.git",
        "main",
        "0000000000000000000000000000000000000001",
        "True",
        "prep:1",
    )


def test_recorded_input_and_output_become_bindings_with_their_declared_path() -> None:
    """The asset ids come from the metadata, the paths from the definition."""
    definition = {
        "data": {"raw": {"dataLocation": {"uri": {"path": "azureml://datastores/lake/paths/raw/churn/"}}}},
        "outputData": {"prepared": {"outputLocation": {"uri": {"path": "azureml://datastores/lake/paths/out/"}}}},
    }
    found = record(definition=definition, inputs={"raw": CHURN}, outputs={"prepared": anonymous("prepared")})
    assert list(list_bindings(found)) == [
        Binding(
            "raw",
            CHURN["assetId"],
            "UriFolder",
            "azureml://datastores/lake/paths/raw/churn/",
            is_output=False,
            field="runMetadata.inputs.raw.assetId",
        ),
        Binding(
            "prepared",
            anonymous("prepared")["assetId"],
            "UriFolder",
            "azureml://datastores/lake/paths/out/",
            is_output=True,
            field="runMetadata.outputs.prepared.assetId",
        ),
    ]


def test_name_placeholder_in_an_output_path_is_the_runs_own_id() -> None:
    """`${{name}}` stays literal on the wire; for a step it is the step's id, not its root's."""
    path = "azureml://datastores/workspaceblobstore/paths/azureml/${{name}}/prepared/"
    definition = {"outputData": {"prepared": {"outputLocation": {"uri": {"path": path}}}}}
    (binding,) = list_bindings(record(definition=definition, outputs={"prepared": anonymous("prepared")}))
    assert binding.declared_uri == f"azureml://datastores/workspaceblobstore/paths/azureml/{RUN_ID}/prepared/"


@pytest.mark.parametrize("members", [{"inputs": None, "outputs": None}, {}, {"inputs": {}, "outputs": {}}])
def test_run_without_inputs_and_outputs_has_no_bindings(members: dict[str, Any]) -> None:
    """Run history writes null, nothing or an empty object."""
    assert list(list_bindings(record(**members))) == []


@pytest.mark.parametrize(
    "declared",
    [
        None,
        {"dataset": None, "uri": None},
        {"uri": {"path": "azureml://datastores/workspaceartifactstore/ExperimentRun/dcid.x", "isFile": False}},
    ],
)
def test_default_output_is_hidden(declared: object) -> None:
    """It holds logs and MLflow files; it is no data set."""
    definition = {"outputData": {"default": {"outputLocation": declared}}}
    assert list(list_bindings(record(definition=definition, outputs={"default": anonymous("default")}))) == []


def test_default_output_with_a_path_of_its_own_is_shown() -> None:
    """A person who names an output `default` and says where it goes means data."""
    definition = {"outputData": {"default": {"outputLocation": {"uri": {"path": "azureml://datastores/d/paths/x/"}}}}}
    (binding,) = list_bindings(record(definition=definition, outputs={"default": anonymous("default")}))
    assert binding.name == "default"


def test_registered_default_output_is_shown() -> None:
    """A registered asset is never a log."""
    (binding,) = list_bindings(record(outputs={"default": CHURN}))
    assert binding.asset_id == CHURN["assetId"]


def test_bindings_are_in_order_of_their_names() -> None:
    """The order of a JSON object says nothing."""
    found = record(inputs={"b": CHURN, "a": CHURN}, outputs={"d": anonymous("d"), "c": CHURN})
    assert [binding.name for binding in list_bindings(found)] == ["a", "b", "c", "d"]


def test_columns_that_a_run_declares_are_kept_and_all_notes_are_joined() -> None:
    """Two things may be wrong with one run, and each has its reader."""
    mapping = ColumnMapping("loan", "prepared", (("id", "id"),), "declared: tag lineage.column_mapping")
    found = to_run(
        record(),
        experiment="e",
        inputs=[],
        outputs=[],
        mlflow=None,
        settings={},
        notes=("The settings of this run cannot be read.", "", "Columns are not mapped for x."),
        column_mappings=(mapping,),
    )
    assert found.column_mappings == (mapping,)
    assert found.notes == "The settings of this run cannot be read. Columns are not mapped for x."


@pytest.mark.parametrize(
    ("container", "expected"), [("dcid.original", "dcid.original"), (None, f"dcid.{RUN_ID}"), ("", f"dcid.{RUN_ID}")]
)
def test_files_of_a_run_are_in_the_container_that_its_record_names(container: str | None, expected: str) -> None:
    """A step that was reused has the container of the run it reuses."""
    assert record(dataContainerId=container).container == expected


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"azureml.isreused": "true", "azureml.reusedrunid": "old"}, "old"),
        ({"azureml.isreused": "True", "azureml.reusedrunid": "old"}, "old"),
        ({"azureml.isreused": "false", "azureml.reusedrunid": "old"}, ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_reused_step_names_the_run_it_took_over(properties: dict[str, str] | None, expected: str) -> None:
    """A cached step did no work; the run it names did."""
    assert record(properties=properties).reused_run_id == expected


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"runType": "azureml.PipelineRun"}, True),
        ({"runType": None, "properties": {"azureml.runsource": "azureml.PipelineRun"}}, True),
        ({"runType": "azureml.StepRun", "properties": {"azureml.runsource": "azureml.StepRun"}}, False),
        ({"runType": None}, False),
    ],
)
def test_pipeline_is_known_by_its_type_or_its_source(metadata: dict[str, Any], expected: bool) -> None:
    """The type may be null, so both are looked at."""
    assert record(**metadata).is_pipeline is expected


def test_run_without_a_root_is_its_own_root() -> None:
    """A plain job is a tree of one."""
    assert record(rootRunId=None).root_id == RUN_ID


def test_v1_data_sets_are_bound_by_their_saved_ids() -> None:
    """Only v1's own service could resolve them; that they took part is not lost."""
    found = record(
        inputDatasets=[
            {"identifier": {"savedId": "in-1"}, "inputDetails": {"inputName": "loan"}},
            {"identifier": None},
        ],
        outputDatasets=[{"identifier": {"savedId": "out-1"}, "outputDetails": {"outputName": "scores"}}],
    )
    assert list(list_bindings(found)) == [
        Binding("loan", "saveddatasets/in-1", "", "", False, "runMetadata.inputDatasets[0].identifier.savedId"),
        Binding("scores", "saveddatasets/out-1", "", "", True, "runMetadata.outputDatasets[0].identifier.savedId"),
    ]


def test_batch_scoring_names_its_model_and_scores_in_its_arguments() -> None:
    """Recorded in 2022-11: nothing else of such a step says what it read and wrote."""
    found = record(
        definition={
            "arguments": ["--model_name", "churn", "--model_version", "5"],
            "dataReferences": {"score": {"dataStoreName": "blobstore", "pathOnDataStore": "azureml/child/score"}},
        }
    )
    assert list(list_bindings(found)) == []  # not below a batch endpoint's job: someone's own arguments
    assert list(list_bindings(found, scores_in_batch=True)) == [
        Binding("model", "azureml://models/churn/versions/5", "", "", False, "runDefinition.arguments --model_name"),
        Binding(
            "score",
            "azureml://datastores/blobstore/paths/azureml/child/score",
            "UriFolder",
            "",
            is_output=True,
            field="runDefinition.dataReferences.score",
        ),
    ]


def test_data_references_of_other_runs_are_no_scores() -> None:
    """Only a run that names a model in its arguments scores."""
    found = record(definition={"dataReferences": {"score": {"dataStoreName": "b"}}})
    assert list(list_bindings(found, scores_in_batch=True)) == []


@pytest.mark.parametrize(
    ("value", "definition", "asset_id", "field"),
    [
        ({"type": ""}, {"inputAssets": {"a": {"asset": {"assetId": "x:1"}}}}, "x:1", "inputAssets.a.asset.assetId"),
        (
            {"assetId": None, "type": "UriFile"},
            {"data": {"a": {"dataLocation": {"uri": {"path": "https://e/a.csv"}}}}},
            "https://e/a.csv",
            "data.a.dataLocation.uri.path",
        ),
    ],
)
def test_input_without_an_id_is_what_the_definition_says(
    value: dict[str, Any], definition: dict[str, Any], asset_id: str, field: str
) -> None:
    """`assetId` is optional in the contract."""
    (binding,) = list_bindings(record(definition=definition, inputs={"a": value}))
    assert (binding.asset_id, binding.field) == (asset_id, f"runDefinition.{field}")


@pytest.mark.parametrize(
    ("reference", "is_output"),
    [
        ({"dataStoreName": "lake", "pathOnDataStore": "raw/", "mode": "Download"}, False),
        ({"dataStoreName": "lake", "pathOnDataStore": "/out/a.csv", "mode": "upload"}, True),
        ({"dataStoreName": "lake", "pathOnDataStore": f"azureml/{RUN_ID}/out", "mode": "Mount"}, True),
        ({"dataStoreName": "lake", "pathOnDataStore": f"azureml/{RUN_ID[:-1]}2/out", "mode": "Mount"}, False),
        ({"dataStoreName": "lake", "pathOnDataStore": "azureml/raw/out", "mode": "Mount"}, None),
        ({"dataStoreName": "lake", "pathOnDataStore": "raw", "mode": None}, None),
        ({"dataStoreName": "lake", "pathOnDataStore": "", "mode": "Download"}, None),
    ],
)
def test_data_reference_of_v1_is_an_input_or_output_only_where_something_says_so(
    reference: dict[str, Any], is_output: bool | None
) -> None:
    """What is mounted may be read and written; a whole datastore is no data."""
    found = record(definition={"dataReferences": {"it": reference, "odd": 3, "none": {}}})
    assert [binding.is_output for binding in list_bindings(found)] == ([] if is_output is None else [is_output])
    path = f"lake/{reference['pathOnDataStore']}".rstrip("/")
    note = f"Whether this run of v1 reads or writes what it refers to is not recorded: it ({path})."
    assert describe_unread_ports(found) == (note if is_output is None else "")


@pytest.mark.parametrize("value", ["churn:3", {"assetId": 3}, {"assetId": None}, {"assetId": ""}, [1]])
def test_input_and_output_that_name_no_data_are_in_the_notes_and_cost_the_others_nothing(value: object) -> None:
    """The pipeline has lineage all the same."""
    saved = [{"identifier": {"savedId": 5}, "inputDetails": {"inputName": "old"}}, None]
    found = record(inputs={"a": value, "b": CHURN}, outputs={"c": value, "d": None}, inputDatasets=saved)
    assert [binding.name for binding in list_bindings(found)] == ["b"]
    assert describe_unread_ports(found) == (
        "The record of this run does not say which data is meant by: "
        "input a, output c, input old, input inputDatasets1."
    )


@pytest.mark.parametrize(
    ("data", "metrics", "notes"),
    [
        ({"metrics": [{"key": "AUC", "value": 0.9}, {"value": 1}, None]}, {"AUC": 0.9}, "2 of its metrics"),
        (
            {"metrics": [{"key": "a", "value": "much"}, {"key": "f", "value": "NaN"}]},
            {"f": "nan"},
            "1 of its metrics",
        ),
        ({"metrics": [{"key": "AUC", "value": {}}], "params": "lr"}, {}, "1 of its metrics"),
        ({"metrics": [{"key": "AUC"}], "params": [{"key": "a", "value": 1}]}, {}, "1 of its params"),
        ([], {}, ""),
    ],
)
def test_what_is_odd_in_what_was_logged_costs_itself_alone(
    data: object, metrics: dict[str, object], notes: str
) -> None:
    """Metrics and parameters never decide whether there is lineage."""
    found = read(mlflow={"data": data})
    assert {key: value if value == value else "nan" for key, value in found.metrics.items()} == metrics
    assert found.notes == (f"Not readable in what was logged with MLflow: {notes}." if notes else "")


def test_parameter_without_a_value_is_an_empty_one() -> None:
    """JSON of Protocol Buffers leaves it out."""
    assert read(mlflow={"data": {"params": [{"key": "remark"}]}}).parameters == {"remark": ""}


def test_decoration_of_another_shape_costs_itself_alone() -> None:
    """A description, an author, variables or an environment are no reason to have no lineage."""
    definition = {"environment": {"name": "train", "version": 7}, "environmentVariables": ["A=1"]}
    found = read(definition=definition, description={"text": "x"}, createdBy="ann")
    assert (found.description, found.owner, found.parameters, found.environment) == ("", "", {}, None)
    note = "The environment of this run cannot be read: environment.version: is a number, not text."
    assert found.notes == note
