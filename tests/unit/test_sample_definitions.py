"""The sample's YAML files and its notebook, as those read them who will: Azure ML's own loaders, and Jupyter."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import (
    load_batch_endpoint,
    load_component,
    load_data,
    load_environment,
    load_job,
    load_model,
    load_online_deployment,
    load_online_endpoint,
)
from azure.ai.ml.entities import PipelineJob
from azure.ai.ml.entities._load_functions import load_model_batch_deployment  # az uses it for "type: model"

from samples.credit_risk.definitions import HERE, read_pipeline, read_yaml

Load = Callable[[Path], Any]


def _load_strictly(path: Path) -> Any:
    """Load a component; a key that Azure ML does not know, and only keeps for later versions, is refused."""
    component = load_component(path)
    if unknown := component._other_parameter:
        raise ValueError(f"{sorted(unknown)}: Unknown field.")
    return component


LOADERS: dict[str, Load] = {
    "pipeline.yml": load_job,
    "model.yml": load_model,
    "environment.yml": load_environment,
    "data_assets/loan.yml": load_data,
    "data_assets/borrower.yml": load_data,
    "endpoints/online-endpoint.yml": load_online_endpoint,
    "endpoints/online-deployment.yml": load_online_deployment,
    "endpoints/batch-endpoint.yml": load_batch_endpoint,
    "endpoints/batch-deployment.yml": load_model_batch_deployment,
    "components/prepare_data.yml": _load_strictly,
    "components/test_train_data_split.yml": _load_strictly,
    "components/train_model.yml": _load_strictly,
    "components/run_batch_inference.yml": _load_strictly,
}
CONDA = "conda.yml"  # conda's own file, read with environment.yml
NOTEBOOK = HERE / "notebooks" / "prepare_and_train.ipynb"


def _notebook() -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return notebook


def _code() -> list[str]:
    """Return the code cells without the lines that only Jupyter understands."""
    cells = [cell["source"] for cell in _notebook()["cells"] if cell["cell_type"] == "code"]
    return ["".join(line for line in cell if not line.startswith(("%", "!"))) for cell in cells]


def _copy(folder: Path) -> Path:
    return shutil.copytree(HERE, folder / "sample", ignore=shutil.ignore_patterns("*.py", "__pycache__"))


def test_every_yaml_file_has_its_loader() -> None:
    """A new definition that is not loaded here could be wrong."""
    assert {path.relative_to(HERE).as_posix() for path in HERE.rglob("*.yml")} == {*LOADERS, CONDA}


@pytest.mark.parametrize("name", LOADERS)
def test_azure_ml_loads_every_definition(name: str) -> None:
    """With the loader that ``az ml … create --file`` uses."""
    loaded = LOADERS[name](HERE / name)
    assert loaded.name == read_yaml(HERE / name).get("name")


@pytest.mark.parametrize("name", LOADERS)
def test_wrong_key_fails(tmp_path: Path, name: str) -> None:
    """Otherwise the test above would prove nothing."""
    path = _copy(tmp_path) / name
    path.write_text(f"{path.read_text(encoding='utf-8')}\nwrong_key: 1\n", encoding="utf-8")
    with pytest.raises(Exception, match=r"(?s)wrong_key.*Unknown field"):
        LOADERS[name](path)


def test_output_with_tags_fails() -> None:
    """A job's output takes a name, but no tags: that is why the README sets them with a command."""
    jobs = read_yaml(HERE / "pipeline.yml")["jobs"]
    jobs["run_batch_inference"]["outputs"]["batchinfer_data"]["tags"] = {"powerbi_dataset": "x"}
    with pytest.raises(Exception, match="batchinfer_data"):
        load_job(HERE / "pipeline.yml", params_override=[{"jobs": jobs}])


def test_pipeline_as_azure_ml_reads_it_is_the_one_that_runs_here() -> None:
    """Names, commands and bindings, read by the SDK and read by us."""
    loaded = load_job(HERE / "pipeline.yml")
    assert isinstance(loaded, PipelineJob)
    job: Any = loaded._to_rest_object().properties
    ours = read_pipeline()
    assert (job.display_name, job.experiment_name) == (ours.name, ours.experiment)
    assert {key: node["display_name"] for key, node in job.jobs.items()} == {step.key: step.name for step in ours.steps}
    for step in ours.steps:
        node = job.jobs[step.key]
        assert node["componentId"].command == step.command
        assert set(node["componentId"].outputs) == set(step.outputs)
        sources = {
            name: f"jobs.{source.step}.outputs.{source.name}" if source.step else f"inputs.{source.name}"
            for name, source in step.inputs.items()
        }
        assert {name: entry["value"] for name, entry in node["inputs"].items()} == {
            name: f"${{{{parent.{source}}}}}" for name, source in sources.items()
        }


def test_every_script_that_is_named_exists() -> None:
    """Azure ML would tell only when a node has been allocated and paid for."""
    for step in read_pipeline().steps:
        assert (step.code / step.command.split()[1]).is_file()
    for name in ("online-deployment.yml", "batch-deployment.yml"):
        code = read_yaml(HERE / "endpoints" / name)["code_configuration"]
        assert (HERE / "endpoints" / code["code"] / code["scoring_script"]).is_file()


def test_component_runs_under_its_steps_name() -> None:
    """What Studio shows for the component is what the pipeline calls the step."""
    for entry in read_yaml(HERE / "pipeline.yml")["jobs"].values():
        assert read_yaml(HERE / entry["component"])["display_name"] == entry["display_name"]


def test_binding_that_names_no_output_is_refused(tmp_path: Path) -> None:
    """By us too, before a step would be started with a path that is never written."""
    path = _copy(tmp_path) / "pipeline.yml"
    text = path.read_text(encoding="utf-8").replace("${{parent.inputs.LoanData}}", "somewhere")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="bound to somewhere"):
        read_pipeline(path.parent)


def test_notebook_is_notebook_json() -> None:
    """Of format 4.5: every cell has an id, code cells have their two fields."""
    notebook = _notebook()
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert set(notebook) == {"cells", "metadata", "nbformat", "nbformat_minor"}
    cells = notebook["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    for cell in cells:
        extra = {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert set(cell) == {"cell_type", "id", "metadata", "source"} | extra
        assert all(isinstance(line, str) for line in cell["source"])


def test_notebook_keeps_no_outputs() -> None:
    """They would look like data."""
    cells = [cell for cell in _notebook()["cells"] if cell["cell_type"] == "code"]
    assert {(cell["execution_count"], len(cell["outputs"])) for cell in cells} == {(None, 0)}


@pytest.mark.parametrize("cell", _code())
def test_notebook_code_compiles(cell: str) -> None:
    """Each cell by itself."""
    compile(cell, NOTEBOOK.name, "exec")


def test_notebook_holds_no_secret() -> None:
    """It asks for a token where it runs; no key, no connection string."""
    text = NOTEBOOK.read_text(encoding="utf-8").lower()
    assert "defaultazurecredential()" in text
    for word in ("accountkey", "sig=", "client_secret", "password", "sharedaccess"):
        assert word not in text
