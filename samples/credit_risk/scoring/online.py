"""The online deployment: loans come in as JSON, chances of a default go out."""

import json
import os
from pathlib import Path
from typing import Any

import mlflow.sklearn
import pandas as pd

state: dict[str, Any] = {}


def init() -> None:
    """Load the model; Azure ML calls this once before any request."""
    # Below the folder is another one, named after where the model was registered from.
    folder = next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("MLmodel")).parent
    state["model"] = mlflow.sklearn.load_model(str(folder))


def run(raw: str) -> list[float]:
    """Answer ``{"loans": [{column: value, …}, …]}`` with the chance of a default for each."""
    loans = pd.DataFrame(json.loads(raw)["loans"])
    return [round(float(chance), 4) for chance in state["model"].predict_proba(loans)[:, 1]]
