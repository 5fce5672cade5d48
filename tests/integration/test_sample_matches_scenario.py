"""The emulator's scenario ``credit-risk`` and the sample describe the same pipeline, or one of them is out of date."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from emulator.scenarios import FOLDER
from samples.credit_risk.definitions import HERE, read_pipeline, read_yaml

Json = dict[str, Any]
PIPELINE = "creditrisk_pipeline"
MODEL_OF_PIPELINE = "creditrisk_model:1"
ENVIRONMENT = "creditrisk-env:3"
# What Azure itself needs in the environment to track and to serve; lineage does not depend on it.
OF_AZURE = {"azureml-mlflow", "azureml-inference-server-http"}


def _scenario() -> Json:
    found: Json = read_yaml(FOLDER / "credit-risk" / "azure_ml.yaml")["workspaces"]["ws-credit"]
    return found


def _name(label: str) -> str:
    return label.removeprefix("azureml:").partition("@")[0].partition(":")[0]


def _conda(conda: Json) -> Json:
    *rest, pip = conda["dependencies"]
    return {"conda": sorted(rest), "pip": sorted(set(pip["pip"]) - OF_AZURE), "name": conda["name"]}


def _image(image: str) -> str:
    """Without its tag: the scenario pins one, and only a registry could tell which there are."""
    return image.partition(":")[0]


def shape_of_scenario(workspace: Json) -> Json:
    """Return what the sample can be held to, under names both sides share."""
    runs = workspace["runs"]
    steps = {run_id: run for run_id, run in runs.items() if run.get("parent") == PIPELINE}

    def source(entry: Json) -> str:
        if "asset" in entry:
            return str(entry["asset"])
        run_id, _, output = entry["output_of"].partition("/")
        return f"{steps[run_id]['display_name']}/{output}"

    model = workspace["models"][MODEL_OF_PIPELINE]
    maker, output = model["path"].rstrip("/").split("/")[-2:]
    environment = workspace["environments"][ENVIRONMENT]
    inputs = {name: entry["asset"] for name, entry in runs[PIPELINE]["inputs"].items()}
    return {
        "experiment": runs[PIPELINE]["experiment"],
        "inputs": inputs,
        "steps": {
            run["display_name"]: {
                "experiment": run["experiment"],
                "environment": run["environment"],
                "inputs": {name: source(entry) for name, entry in run["inputs"].items()},
                "outputs": {name: entry["type"] for name, entry in run["outputs"].items()},
                "registered": {
                    name: _name(entry["register"]) for name, entry in run["outputs"].items() if "register" in entry
                },
            }
            for run in steps.values()
        },
        "data": {
            label: {key: workspace["data"][label][key] for key in ("type", "path", "description")}
            for label in inputs.values()
        },
        "model": {
            "name": _name(MODEL_OF_PIPELINE),
            "type": model["type"],
            "job": model["job_name"],
            "output": f"{steps[maker]['display_name']}/{output}",
        },
        "environment": {
            "label": ENVIRONMENT,
            "image": _image(environment["image"]),
            "conda": _conda(environment["conda"]),
        },
        "endpoints": {
            name: {
                "description": endpoint["description"],
                "deployments": {
                    key: {"model": _name(entry["model"]), "environment": entry["environment"]}
                    for key, entry in endpoint["deployments"].items()
                },
            }
            for name, endpoint in workspace["online_endpoints"].items()
        },
    }


def shape_of_sample(folder: Path) -> Json:
    """Return the same of the sample's definitions."""
    pipeline = read_pipeline(folder)
    names = {step.key: step.name for step in pipeline.steps}
    promoted = {
        binding.removeprefix("${{parent.outputs.").removesuffix("}}"): f"{node['display_name']}/{output}"
        for node in read_yaml(folder / "pipeline.yml")["jobs"].values()
        for output, binding in node.get("outputs", {}).items()
        if isinstance(binding, str)
    }
    data = [read_yaml(path) for path in sorted((folder / "data_assets").glob("*.yml"))]
    model = read_yaml(folder / "model.yml")
    job, _, output = model["path"].removeprefix("azureml://jobs/").partition("/outputs/")
    environment = read_yaml(folder / "environment.yml")
    endpoint = read_yaml(folder / "endpoints" / "online-endpoint.yml")
    deployment = read_yaml(folder / "endpoints" / "online-deployment.yml")
    assert deployment["endpoint_name"] == endpoint["name"]
    return {
        "experiment": pipeline.experiment,
        "inputs": dict(pipeline.inputs),
        "steps": {
            step.name: {
                "experiment": pipeline.experiment,
                "environment": step.environment,
                "inputs": {
                    name: f"{names[source.step]}/{source.name}" if source.step else pipeline.inputs[source.name]
                    for name, source in step.inputs.items()
                },
                "outputs": dict(step.outputs),
                "registered": dict(step.registered),
            }
            for step in pipeline.steps
        },
        "data": {
            f"{node['name']}:{node['version']}": {key: node[key] for key in ("type", "path", "description")}
            for node in data
        },
        "model": {"name": model["name"], "type": model["type"], "job": job, "output": promoted[output]},
        "environment": {
            "label": f"{environment['name']}:{environment['version']}",
            "image": _image(environment["image"]),
            "conda": _conda(read_yaml(folder / environment["conda_file"])),
        },
        "endpoints": {
            endpoint["name"]: {
                "description": endpoint["description"],
                "deployments": {
                    deployment["name"]: {
                        "model": _name(deployment["model"]),
                        "environment": deployment["environment"].removeprefix("azureml:"),
                    }
                },
            }
        },
    }


def _facts(node: object, path: str = "") -> Iterator[str]:
    if isinstance(node, Mapping):
        yield f"{path}: {sorted(node)}"
        for key, value in node.items():
            yield from _facts(value, f"{path}/{key}")
    else:
        yield f"{path}: {node}"


def differences(one: Json, other: Json) -> list[str]:
    """Return what only one of two shapes says."""
    return sorted(set(_facts(one)) ^ set(_facts(other)))


def _renamed(folder: Path, name: str, old: str, new: str) -> Path:
    copy = shutil.copytree(HERE, folder / "sample", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    text = (copy / name).read_text(encoding="utf-8")
    assert old in text
    (copy / name).write_text(text.replace(old, new), encoding="utf-8")
    return copy


def test_sample_is_the_pipeline_of_the_scenario() -> None:
    """Steps, bindings, data, model, environment and endpoint: what the demo shows is what the sample does."""
    assert differences(shape_of_scenario(_scenario()), shape_of_sample(HERE)) == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("pipeline.yml", "display_name: TrainModel", "display_name: FitModel"),
        ("pipeline.yml", "experiment_name: CreditRiskPipeline", "experiment_name: Credit"),
        ("pipeline.yml", "split.outputs.test_data", "split.outputs.train_data"),
        ("pipeline.yml", "name: CreditRiskBatchInferenceData", "name: Predictions"),
        ("components/train_model.yml", "metrics_data: {type: uri_folder}", "metrics: {type: uri_folder}"),
        ("components/train_model.yml", "versions/40", "versions/41"),
        ("conda.yml", "pandas==2.2.2", "pandas==2.2.3"),
        ("model.yml", "name: creditrisk_model", "name: other_model"),
        ("data_assets/loan.yml", "raw/loan.csv", "raw/loans.csv"),
        ("endpoints/online-deployment.yml", "name: blue", "name: green"),
    ],
)
def test_change_in_the_sample_alone_is_a_difference(tmp_path: Path, name: str, old: str, new: str) -> None:
    """A step, a binding, a name, a version: whatever the scenario says too."""
    changed = shape_of_sample(_renamed(tmp_path, name, old, new))
    assert differences(shape_of_scenario(_scenario()), changed)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("TrainModel", "FitModel"),
        ("000000000001/prepared_data", "000000000002/train_data"),
        ("LoanData:1", "LoanData:2"),
        ("creditrisk_pipeline", "creditrisk_pipeline"),
    ],
)
def test_change_in_the_scenario_alone_is_a_difference(old: str, new: str) -> None:
    """The same the other way round; without a change there is none."""
    text = yaml.safe_dump(_scenario())
    assert old in text
    changed = shape_of_scenario(yaml.safe_load(text.replace(old, new)))
    assert bool(differences(changed, shape_of_sample(HERE))) == (old != new)


def test_readme_sets_the_tags_that_the_scenarios_predictions_have() -> None:
    """A job's output takes no tags, so a command sets them; and the job has the name that model.yml expects."""
    page = (HERE / "README.md").read_text(encoding="utf-8")
    tags = _scenario()["data"]["CreditRiskBatchInferenceData:1"]["tags"]
    assert all(f"tags.{name}=https://app.powerbi.com/" in page for name in tags)
    assert f"--name {PIPELINE}" in page


def test_notebook_tracks_the_runs_of_the_scenarios_experiment() -> None:
    """Same experiment, runs, model, metrics, parameters and files as the first reference graph."""
    cells = json.loads((HERE / "notebooks" / "prepare_and_train.ipynb").read_text(encoding="utf-8"))["cells"]
    text = "".join(line for cell in cells if cell["cell_type"] == "code" for line in cell["source"])
    workspace = _scenario()
    train = workspace["runs"]["creditrisk_train"]
    lake = workspace["datastores"]["lake"]
    expected = [
        *(f'run_name="{name}"' for name in ("creditrisk_preprocess", "creditrisk_train")),
        f'set_experiment("{train["experiment"]}")',
        f'registered_model_name="{_name("creditrisk_model:2")}"',
        *(f'"{name}":' for name in [*train["metrics"], *train["params"]]),
        f"abfss://{lake['container']}@{lake['account']}.dfs.core.windows.net",
        "/raw/loan.csv",
        "/raw/borrower.csv",
        f'"{workspace["resource_group"]}"',
        '"ws-credit"',
    ]
    assert [item for item in expected if item not in text] == []


def test_training_step_logs_the_scenarios_metrics_and_parameters() -> None:
    """Under the names that the catalog's metrics entity has attributes for."""
    text = (HERE / "steps" / "train.py").read_text(encoding="utf-8")
    train = _scenario()["runs"]["creditrisk_train"]
    assert [name for name in [*train["metrics"], *train["params"]] if f'"{name}":' not in text] == []
