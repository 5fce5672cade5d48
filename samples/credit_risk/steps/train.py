"""Step TrainModel: a logistic regression, its metrics, and the model in MLflow's format."""

import argparse
import json
from pathlib import Path

import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
import sklearn
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

LABEL = "loanStatus"


def build(strength: float, max_iter: int) -> Pipeline:
    """Return the untrained model; it takes the columns as they are, so that scoring code need not prepare them."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include=np.number)),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude=np.number)),
    )
    return make_pipeline(columns, LogisticRegression(C=strength, max_iter=max_iter))


def evaluate(model: Pipeline, features: pd.DataFrame, labels: pd.Series, seed: int) -> dict[str, float]:
    """Measure by cross-validation: the test data stays unseen until it is scored."""
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=seed)
    chances = cross_val_predict(model, features, labels, cv=folds, method="predict_proba")[:, 1]
    predicted = chances >= 0.5
    return {
        "AUC": float(roc_auc_score(labels, chances)),
        "Accuracy": float(accuracy_score(labels, predicted)),
        "Precision": float(precision_score(labels, predicted, zero_division=0)),
        "Recall": float(recall_score(labels, predicted)),
        "F1": float(f1_score(labels, predicted)),
    }


def save(model: Pipeline, features: pd.DataFrame, folder: Path) -> None:
    """
    Write the model as MLflow does, pickled.

    Plain pickle will do as all of its parts are scikit-learn's own, and any
    MLflow reads it; skops would be safer for models of unknown origin, but
    MLflow 2 cannot write it.
    """
    packages = [f"{package.__name__}=={package.__version__}" for package in (mlflow, pd)]
    mlflow.sklearn.save_model(
        model,
        str(folder),
        serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_PICKLE,
        signature=mlflow.models.infer_signature(features, model.predict(features)),
        # Said, not inferred: to infer them MLflow loads the model in a process of its own.
        pip_requirements=[*packages, f"scikit-learn=={sklearn.__version__}"],
    )


def main() -> None:
    """Read a folder, write a model and its metrics, and log both to MLflow, which in Azure ML is the job's own run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with data.csv")
    parser.add_argument("--C", dest="strength", type=float, default=1.0, help="inverse of the regularisation")
    parser.add_argument("--max-iter", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, required=True, help="empty folder for the model")
    parser.add_argument("--metrics", type=Path, required=True, help="folder for metrics.json")
    options = parser.parse_args()
    features = pd.read_csv(options.data / "data.csv")
    labels = features.pop(LABEL)
    model = build(options.strength, options.max_iter)
    with mlflow.start_run():
        mlflow.log_params({"C": options.strength, "max_iter": options.max_iter})
        metrics = evaluate(model, features, labels, options.seed)
        mlflow.log_metrics(metrics)
        save(model.fit(features, labels), features, options.model)
        mlflow.log_artifacts(str(options.model), "model")
    options.metrics.mkdir(parents=True, exist_ok=True)
    (options.metrics / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
