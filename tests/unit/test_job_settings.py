"""Settings of AutoML and sweep jobs, from the JSON that Azure Resource Manager has of them."""

import json
from typing import Any

import pytest

from shared.azure_ml.run.records import Record, read_job_settings


def test_settings_of_an_automl_job_have_the_accelerators_names() -> None:
    """Its users find them again."""
    task = {
        "taskType": "Classification",
        "primaryMetric": "AUCWeighted",
        "targetColumnName": "loanStatus",
        "nCrossValidations": {"mode": "Custom", "value": 5},
        "limitSettings": {"enableEarlyTermination": True, "maxTrials": 20, "timeout": "P1DT1H"},
        "trainingSettings": {"enableModelExplainability": False},
    }
    assert read_job_settings({"properties": {"computeId": "/subscriptions/s/computes/cpu", "taskDetails": task}}) == {
        "task_type": "Classification",
        "primary_metric": "AUCWeighted",
        "label_column_name": "loanStatus",
        "n_cross_validations": "5",
        "enable_early_stopping": "True",
        "experiment_timeout_minutes": "1500",
        "max_trials": "20",
        "model_explainability": "False",
        "compute_target": "cpu",
    }


def test_settings_of_a_sweep_tell_what_was_searched() -> None:
    """Objective, algorithm, limits and the space itself."""
    settings = read_job_settings(
        {
            "properties": {
                "samplingAlgorithm": {"samplingAlgorithmType": "Random"},
                "objective": {"goal": "Maximize", "primaryMetric": "AUC"},
                "searchSpace": {"lr": ["uniform", [0.01, 0.9]]},
                "limits": {"maxTotalTrials": 12, "timeout": "PT90M"},
            }
        }
    )
    assert (settings["primary_metric"], settings["goal"]) == ("AUC", "Maximize")
    assert (settings["sampling_algorithm"], settings["max_trials"]) == ("Random", "12")
    assert settings["experiment_timeout_minutes"] == "90"
    assert json.loads(settings["search_space"]) == {"lr": ["uniform", [0.01, 0.9]]}


@pytest.mark.parametrize(
    "job",
    [
        {},
        {"properties": None},
        {"properties": {"taskDetails": {"taskType": {}, "limitSettings": {"timeout": "soon"}}, "searchSpace": []}},
    ],
)
def test_job_without_any_setting_has_none(job: dict[str, Any]) -> None:
    """Nothing is made up, not of an empty object either."""
    assert read_job_settings(job) == {}


@pytest.mark.parametrize(
    ("run_type", "definition", "expected"),
    [
        ("hyperdrive", None, True),
        ("AutoML", None, True),
        ("azureml.scriptrun", None, False),
        ("azureml.PipelineRun", None, False),
        (None, None, False),
        ("hyperdrive", {"command": "python train.py"}, False),
    ],
)
def test_only_the_job_of_a_sweep_or_automl_run_has_settings(
    run_type: str | None, definition: dict[str, str] | None, expected: bool
) -> None:
    """A command or Spark run without a definition is no reason to ask for its job."""
    record = Record.from_json({"runMetadata": {"runId": "r", "runType": run_type}, "runDefinition": definition})
    assert record.has_settings_in_job is expected
