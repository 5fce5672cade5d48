"""Settings of AutoML and sweep jobs, off the SDK's own entities."""

import json

from azure.ai.ml import Input, automl
from azure.ai.ml.sweep import Objective, SweepJob, SweepJobLimits, Uniform

from shared.azure_ml.services.sdk import read_job_settings


def test_settings_of_an_automl_job_have_the_accelerators_names() -> None:
    """Its users find them again."""
    job = automl.classification(
        training_data=Input(type="mltable", path="azureml:loan:1"),
        target_column_name="loanStatus",
        primary_metric="AUC_weighted",
        n_cross_validations=5,
    )
    job.set_limits(timeout_minutes=60, max_trials=20, enable_early_termination=True)
    settings = read_job_settings(job)
    assert settings["label_column_name"] == "loanStatus"
    assert settings["n_cross_validations"] == "5"
    assert (settings["experiment_timeout_minutes"], settings["max_trials"]) == ("60", "20")
    assert settings["enable_early_stopping"] == "True"
    assert settings["task_type"].lower() == "classification"


def test_settings_of_a_sweep_tell_what_was_searched() -> None:
    """Objective, algorithm, limits and the space itself."""
    job = SweepJob(
        sampling_algorithm="random",
        objective=Objective(goal="maximize", primary_metric="AUC"),
        search_space={"lr": Uniform(0.01, 0.9)},
        limits=SweepJobLimits(max_total_trials=12),
    )
    settings = read_job_settings(job)
    assert (settings["primary_metric"], settings["goal"].lower()) == ("AUC", "maximize")
    assert (settings["sampling_algorithm"], settings["max_trials"]) == ("random", "12")
    assert json.loads(settings["search_space"])["lr"]["max_value"] == "0.9"


def test_job_without_any_setting_has_none() -> None:
    """Nothing is made up."""
    assert read_job_settings(object()) == {}
