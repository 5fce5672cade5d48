"""The batch deployment: files of prepared loans come in, the same rows with a prediction go out."""

import os
from pathlib import Path
from typing import Any

import mlflow.sklearn
import pandas as pd

state: dict[str, Any] = {}


def init() -> None:
    """Load the model; Azure ML calls this once for each process."""
    folder = next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("MLmodel")).parent
    state["model"] = mlflow.sklearn.load_model(str(folder))


def run(mini_batch: list[str]) -> pd.DataFrame:
    """Score some files; the service appends what each call returns to one file."""
    loans = pd.concat([pd.read_csv(file) for file in mini_batch], ignore_index=True)
    features = loans.drop(columns="loanStatus", errors="ignore")
    return loans.assign(Prediction=state["model"].predict(features))
