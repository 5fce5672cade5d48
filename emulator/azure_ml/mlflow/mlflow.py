"""MLflow's view of runs: statuses, bodies and the filter language of its search."""

import json
import re
from collections.abc import Callable
from datetime import datetime

from emulator.azure_ml.arm.bodies import Body
from emulator.azure_ml.content.runs import TERMINAL, LoggedInput, Run
from emulator.azure_ml.content.workspace import Workspace
from emulator.azure_ml.errors import AzureMLError, mlflow_error

STATUSES = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED", "NotStarted": "SCHEDULED"}

_AND = re.compile(r"\s+AND\s+", re.IGNORECASE)
_COMPARISON = re.compile(
    r"(?P<entity>tags?|attributes?|attr|run|params?|parameters?)\s*\.\s*(?P<quote>[\"`]?)(?P<key>[\w.\- /]+?)(?P=quote)"
    r"\s*(?P<operator>!=|>=|<=|=|>|<|\bIN\b)\s*(?P<value>'[^']*'|\"[^\"]*\"|\d+|\([^)]*\))",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")


def milliseconds(time: datetime) -> int:
    """Write a time as MLflow does."""
    return int(time.timestamp() * 1000)


def status_of(run: Run) -> str:
    """Name the status as MLflow does."""
    return STATUSES.get(run.status, "RUNNING")


def tags_of(run: Run) -> dict[str, str]:
    """Give the tags MLflow shows: the run's own, its family and where its code came from."""
    tags = {"mlflow.rootRunId": run.root, "mlflow.runName": run.display_name, "mlflow.user": run.created_by}
    if run.parent:
        tags["mlflow.parentRunId"] = run.parent
    git = {key: value for key, value in run.properties.items() if key.startswith("mlflow.source.git.")}
    return tags | git | dict(run.tags)


def mlflow_run(run: Run, *, searched: bool = False) -> Body:
    """Show a run with the last value of each metric; a search may have none yet."""
    metrics = () if searched and run.search_lacks_metrics else run.metrics
    return {
        "info": {
            "run_id": run.id,
            "run_uuid": run.id,
            "run_name": run.display_name,
            "experiment_id": run.experiment_id,
            "user_id": run.created_by,
            "status": status_of(run),
            "start_time": milliseconds(run.start),
            **({"end_time": milliseconds(run.end)} if run.status in TERMINAL else {}),
            "artifact_uri": "",
            "lifecycle_stage": "active",
        },
        "data": {
            "metrics": [metric for key in metrics for metric in metric_history(run, key)[-1:]],
            "params": [
                {"key": key} if value is None else {"key": key, "value": value} for key, value in run.params.items()
            ],
            "tags": [{"key": key, "value": value} for key, value in tags_of(run).items()],
        },
        # As protobuf writes it: an empty list is left out.
        "inputs": {"dataset_inputs": [_dataset_input(each) for each in run.logged_inputs]} if run.logged_inputs else {},
    }


def _dataset_input(logged: LoggedInput) -> Body:
    """Show data as ``mlflow.log_input`` logs it, of which the source is JSON in a string."""
    tags = [{"key": "mlflow.data.context", "value": logged.context}] if logged.context else []
    source = logged.source if isinstance(logged.source, str) else json.dumps(logged.source)
    dataset = {"name": logged.name, "digest": logged.digest, "source_type": logged.source_type, "source": source}
    return {**({"tags": tags} if tags else {}), "dataset": dataset}


def metric_history(run: Run, key: str) -> list[Body]:
    """Give all values of a metric, oldest first."""
    logged = milliseconds(run.end)
    return [
        {"key": key, "value": value, "timestamp": logged, "step": step}
        for step, value in enumerate(run.metrics.get(key, ()))
    ]


def mlflow_model_version(workspace: Workspace, name: str, version: str) -> Body:
    """Show a model version; raises if there is none."""
    model = workspace.models.get((name, version))
    if model is None:
        raise not_there(f"Model version {name}:{version}")
    return {
        "name": model.name,
        "version": model.version,
        "creation_timestamp": milliseconds(model.created_at),
        "last_updated_timestamp": milliseconds(model.created_at),
        "current_stage": model.stage or "None",
        "description": model.description or "",
        "source": workspace.names.long_uri(model.path, "resourceGroups"),
        "run_id": model.job_name or "",
        "status": "READY",
        "tags": [{"key": key, "value": value} for key, value in model.tags.items()],
    }


def not_there(what: str) -> AzureMLError:
    """MLflow's answer for anything that does not exist."""
    return mlflow_error(404, "RESOURCE_DOES_NOT_EXIST", f"{what} does not exist.")


def invalid(message: str) -> AzureMLError:
    """MLflow's answer to a parameter it cannot read."""
    return mlflow_error(400, "INVALID_PARAMETER_VALUE", message)


def read_filter(text: str) -> Callable[[Run], bool]:
    """Read a search filter: comparisons of tags, parameters and attributes joined by AND."""
    comparisons = [_read_comparison(part, text) for part in _AND.split(text.strip())] if text.strip() else []
    return lambda run: all(matches(run) for matches in comparisons)


def root_run_of(text: str) -> str | None:
    """
    Name the root run whose family a filter asks for, so that no other run needs to be looked at.

    >>> root_run_of("tags.`mlflow.rootRunId` = 'a'"), root_run_of("tags.`mlflow.rootRunId` != 'a'")
    ('a', None)
    """
    matches = [_COMPARISON.fullmatch(part.strip()) for part in _AND.split(text.strip())]
    for match in matches:
        if match and match["key"] == "mlflow.rootRunId" and match["operator"] == "=" and match["value"][0] in "'\"":
            return match["value"][1:-1]
    return None


def _read_comparison(part: str, whole: str) -> Callable[[Run], bool]:
    match = _COMPARISON.fullmatch(part.strip())
    if match is None:
        raise invalid(f"Invalid clause(s) in filter string: {whole!r}")
    entity, key, sign, raw = match["entity"].lower(), match["key"], match["operator"].upper(), match["value"]
    read = _reader(entity, key, whole)
    if sign == "IN":
        wanted = [single or double for single, double in _QUOTED.findall(raw)]
        if entity not in ("attribute", "attributes", "attr", "run") or not wanted:
            raise invalid("Only the 'run_id' and other string attributes support comparison with a list.")
        return lambda run: read(run) in wanted
    if raw.isdecimal():
        number = int(raw)
        return lambda run: _compare_numbers(read(run), sign, number)
    if sign not in ("=", "!="):
        raise invalid(f"Comparator {sign} is not for text.")
    text = raw[1:-1]
    # As in MLflow, a tag that is not there matches neither = nor !=.
    return lambda run: (value := read(run)) is not None and (value == text) == (sign == "=")


def _reader(entity: str, key: str, whole: str) -> Callable[[Run], str | int | None]:
    if entity.startswith("tag"):
        return lambda run: tags_of(run).get(key)
    if entity.startswith("param"):
        return lambda run: run.params.get(key)
    attributes: dict[str, Callable[[Run], str | int | None]] = {
        "run_id": lambda run: run.id,
        "run_name": lambda run: run.display_name,
        "status": status_of,
        "user_id": lambda run: run.created_by,
        "start_time": lambda run: milliseconds(run.start),
        "end_time": lambda run: milliseconds(run.end) if run.status in TERMINAL else None,
    }
    if key not in attributes:
        raise invalid(f"Invalid attribute key {key!r} in filter string {whole!r}")
    return attributes[key]


def _compare_numbers(value: str | int | None, sign: str, wanted: int) -> bool:
    if not isinstance(value, int):
        return False
    return {
        "=": value == wanted,
        "!=": value != wanted,
        ">=": value >= wanted,
        "<=": value <= wanted,
        ">": value > wanted,
        "<": value < wanted,
    }[sign]
