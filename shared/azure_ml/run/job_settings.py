"""Reads the settings of AutoML and sweep jobs, which no run record holds, off the SDK's job entities."""

import json
from collections.abc import Mapping
from typing import Any

_PATHS = {
    "task_type": ("task_type",),
    "primary_metric": ("primary_metric", "objective.primary_metric"),
    "goal": ("objective.goal",),
    "label_column_name": ("target_column_name",),
    "n_cross_validations": ("n_cross_validations",),
    "enable_early_stopping": ("limits.enable_early_termination",),
    "experiment_timeout_minutes": ("limits.timeout_minutes",),
    "max_trials": ("limits.max_trials", "limits.max_total_trials"),
    "model_explainability": ("training.enable_model_explainability",),
    "sampling_algorithm": ("sampling_algorithm",),
    "compute_target": ("compute",),
}
"""Our name (the accelerator's, where it had one) → where AutoML and sweep jobs of azure-ai-ml keep the value."""


def read_settings(job: Any) -> dict[str, str]:
    """Return the settings a job has; what it does not have is left out."""
    found = {name: value for name, paths in _PATHS.items() if (value := _first(job, paths)) is not None}
    settings = {name: plain_text(value) for name, value in found.items()}
    if "compute_target" in settings:  # an ARM id in some kinds of jobs, a name in others
        settings["compute_target"] = settings["compute_target"].rpartition("/")[2]
    space = getattr(job, "search_space", None)
    if isinstance(space, Mapping) and space:
        described = {name: {key: str(value) for key, value in vars(item).items()} for name, item in space.items()}
        settings["search_space"] = json.dumps(described, sort_keys=True)
    return settings


def _first(job: object, paths: tuple[str, ...]) -> object | None:
    for path in paths:
        value: object | None = job
        for name in path.split("."):
            value = getattr(value, name, None)
        if value is not None:
            return value
    return None


def plain_text(value: object) -> str:
    """
    Spell a value of the SDK's, of an enum or an object with a type as the wire does.

    >>> from enum import Enum
    >>> plain_text(Enum("State", {"SUCCEEDED": "Succeeded"}).SUCCEEDED), plain_text(5)
    ('Succeeded', '5')
    """
    return str(getattr(value, "value", getattr(value, "type", value)))
