"""The sample's four steps, run once as a newcomer runs them: by their components' command lines."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from samples.credit_risk.data import LOANS
from samples.credit_risk.definitions import HERE

ROOT = Path(__file__).parents[2]
OF_SAMPLE = ("sklearn", "pandas", "mlflow")
METRICS = ("AUC", "Accuracy", "Precision", "Recall", "F1")


@dataclass(frozen=True, slots=True)
class Sample:
    """What a run of the sample left, and what it said."""

    folder: Path
    said: str

    def read(self, path: str) -> str:
        """Return a file of one step, as text."""
        return (self.folder / "steps" / path).read_text(encoding="utf-8")

    def rows(self, path: str) -> list[dict[str, str]]:
        """Return a table of one step."""
        return list(csv.DictReader(self.read(path).splitlines()))

    @property
    def metrics(self) -> dict[str, float]:
        """What step TrainModel measured."""
        metrics: dict[str, float] = json.loads(self.read("train_model/metrics_data/metrics.json"))
        return metrics

    @property
    def model(self) -> Path:
        """The folder of the trained model."""
        return self.folder / "steps" / "train_model" / "model_data"


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "samples.credit_risk", "--out", str(folder), *arguments]
    # A tracking server that the developer has set up must not get these runs.
    environment = os.environ | {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9/"}
    return subprocess.run(  # noqa: S603 - our own module
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110, check=False
    )


def _succeed(folder: Path) -> Sample:
    done = _run(folder)
    assert done.returncode == 0, done.stderr
    return Sample(folder, done.stdout)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """One run for all tests, into a folder with a space; skipped without the libraries, unless nothing may be."""
    missing = [name for name in OF_SAMPLE if find_spec(name) is None]
    if missing and not os.environ.get("LINEAGE_TESTS_SKIP_NOTHING"):
        pytest.skip(f"the extra `sample` is not installed: {', '.join(missing)}")
    return _succeed(tmp_path_factory.mktemp("sample") / "a folder")


def test_metrics_are_plausible(sample: Sample) -> None:
    """The model has learned something, and not the label itself."""
    assert tuple(sample.metrics) == METRICS
    assert 0.65 < sample.metrics["AUC"] < 0.95
    assert 0.75 < sample.metrics["Accuracy"] < 0.95
    assert all(0.2 < value < 1 for value in sample.metrics.values())


def test_summary_says_how_good_the_model_is_and_where_it_is(sample: Sample) -> None:
    """With two decimals; every folder it names is there."""
    first, *places = sample.said.splitlines()
    assert first == f"accuracy {sample.metrics['Accuracy']:.2f}, AUC {sample.metrics['AUC']:.2f}"
    assert [line.split("  ")[0] for line in places] == ["data", "model", "predictions", "MLflow runs"]
    assert all(Path(line[len("predictions") :].strip()).exists() for line in places)


def test_prepared_data_has_neither_keys_nor_what_must_not_decide(sample: Sample) -> None:
    """Every loan has found its borrower, and the label is a number."""
    rows = sample.rows("prepare_data/prepared_data/data.csv")
    assert len(rows) == LOANS
    assert not {"memberId", "loanId", "date", "grade", "residentialState"} & set(rows[0])
    assert {row["loanStatus"] for row in rows} == {"0", "1"}
    assert {row["isJointApplication"] for row in rows} == {"yes", "no"}


def test_split_is_four_to_one_and_keeps_the_share_of_defaults(sample: Sample) -> None:
    """No row is in both parts, none is lost."""
    train, test = (sample.rows(f"test_train_data_split/{part}_data/data.csv") for part in ("train", "test"))
    assert (len(train), len(test)) == (LOANS * 4 // 5, LOANS // 5)
    shares = [sum(row["loanStatus"] == "1" for row in part) / len(part) for part in (train, test)]
    assert abs(shares[0] - shares[1]) < 0.002


def test_predictions_are_the_test_data_with_a_column_more(sample: Sample) -> None:
    """The rows keep their order, and the predictions agree with the labels about as often as was measured."""
    test = sample.rows("test_train_data_split/test_data/data.csv")
    rows = sample.rows("run_batch_inference/batchinfer_data/predictions.csv")
    assert [{name: value for name, value in row.items() if name != "Prediction"} for row in rows] == test
    assert {row["Prediction"] for row in rows} == {"0", "1"}
    right = sum(row["Prediction"] == row["loanStatus"] for row in rows) / len(rows)
    assert abs(right - sample.metrics["Accuracy"]) < 0.05


def test_model_is_kept_in_mlflows_format(sample: Sample) -> None:
    """With its flavour, its signature and the packages it needs."""
    described = (sample.model / "MLmodel").read_text(encoding="utf-8")
    assert all(word in described for word in ("sklearn:", "python_function:", "signature:", "annualIncome"))
    assert "scikit-learn==" in (sample.model / "requirements.txt").read_text(encoding="utf-8")


def test_mlflow_keeps_the_run_beside_the_data(sample: Sample) -> None:
    """In the pipeline's experiment, whatever server the environment names."""
    logged = {path.name for path in sample.folder.glob("mlruns/*/*/metrics/*")}
    assert logged == set(METRICS)
    experiments = [path.read_text(encoding="utf-8") for path in sample.folder.glob("mlruns/*/meta.yaml")]
    assert any("name: CreditRiskPipeline" in text for text in experiments)


def test_same_seed_gives_the_same_metrics_and_predictions(sample: Sample, tmp_path: Path) -> None:
    """To the last digit, so that a difference means that something was changed."""
    again = _succeed(tmp_path)
    predictions = "run_batch_inference/batchinfer_data/predictions.csv"
    assert again.metrics == sample.metrics
    assert again.read(predictions) == sample.read(predictions)


@pytest.mark.parametrize("kind", ["online", "batch"])
def test_deployments_score_with_the_model(sample: Sample, kind: str, tmp_path: Path) -> None:
    """As Azure ML calls them: ``init`` once, then ``run``, with the model somewhere below a folder."""
    program = """
import csv, json, sys
from pathlib import Path
import {kind} as script
script.init()
rows = [json.loads(line) for line in Path(sys.argv[1]).open()]
if {kind!r} == "online":
    found = script.run(json.dumps({{"loans": rows}}))
else:
    with open(sys.argv[2], "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    found = [int(value) for value in script.run([sys.argv[2]])["Prediction"]]
print(json.dumps(found))
"""
    rows = sample.rows("run_batch_inference/batchinfer_data/predictions.csv")[:20]
    expected = [int(row.pop("Prediction")) for row in rows]
    lines = tmp_path / "loans.jsonl"
    lines.write_text("\n".join(json.dumps({name: _value(text) for name, text in row.items()}) for row in rows))
    done = subprocess.run(  # noqa: S603 - our own modules
        [sys.executable, "-c", program.format(kind=kind), str(lines), str(tmp_path / "loans.csv")],
        cwd=HERE / "scoring",
        env=os.environ | {"AZUREML_MODEL_DIR": str(sample.model.parent), "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert [int(value >= 0.5) for value in found] == expected


def _value(text: str) -> float | str | None:
    if not text:
        return None
    return float(text) if text[0].isdigit() else text


def test_failing_step_is_named_and_nothing_runs_after_it(tmp_path: Path) -> None:
    """The exit code says it to a script, the step's last lines to a person."""
    program = """
import sys
from pathlib import Path
from samples.credit_risk import __main__ as sample
sample.write_data = lambda folder, seed: (Path("missing.csv"), Path("missing.csv"))
sys.argv = ["sample", "--out", sys.argv[1]]
sys.exit(sample.main())
"""
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "step PrepareData failed with exit code 1" in done.stderr
    assert "missing.csv" in done.stderr or "No module named" in done.stderr
    assert "TestTrainDataSplit" not in done.stderr
    assert done.stdout == ""
