"""Step RunBatchInference: add what the model expects of each loan."""

import argparse
from pathlib import Path

import mlflow.sklearn
import pandas as pd

LABEL = "loanStatus"


def main() -> None:
    """Read data and a model, and write the data with a column ``Prediction``: 1 where a default is expected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="CSV, or a folder with data.csv")
    parser.add_argument("--model", type=Path, required=True, help="folder with the model")
    parser.add_argument("--out", type=Path, required=True, help="folder for predictions.csv")
    options = parser.parse_args()
    data = pd.read_csv(options.data / "data.csv" if options.data.is_dir() else options.data)
    predicted = mlflow.sklearn.load_model(str(options.model)).predict(data.drop(columns=LABEL, errors="ignore"))
    options.out.mkdir(parents=True, exist_ok=True)
    data.assign(Prediction=predicted).to_csv(options.out / "predictions.csv", index=False)


if __name__ == "__main__":
    main()
