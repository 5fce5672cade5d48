"""What an asset is to people: a model version, an endpoint, a report, data, a run."""

import json
from collections.abc import Mapping
from typing import Any

from shared.catalog.typedefs import METRIC_ATTRIBUTES
from shared.purview.reader import Asset

MODEL, ENDPOINT, PREDICTION, REPORT = "model", "endpoint", "prediction", "report"
DATA, RUN, PACKAGES, SETTINGS, METRICS, OTHER = "data", "run", "packages", "settings", "metrics", "other"
DEPLOYMENT = "custom_ml_deployment"
STEP = "custom_ml_experiment_step"

_KINDS = {
    "custom_ml_model": MODEL,
    "custom_ml_model_endpoint": ENDPOINT,
    "powerbi_report": REPORT,
    "powerbi_dashboard": REPORT,
    STEP: RUN,
    "custom_ml_packages": PACKAGES,
    "custom_ml_exp_config": SETTINGS,
    "custom_ml_model_metrics": METRICS,
    DEPLOYMENT: OTHER,
    "custom_ml_dataset_registration": OTHER,
    "ProcessWithColumnMapping": OTHER,
    "custom_ml_experiment": OTHER,
}
_NOT_LIVE = frozenset({"deleted", "deleting", "archived", "failed", "canceled", "cancelled"})
_OF_CONFIG = frozenset({"name", "qualifiedName", "displayName", "parameters"})


def kind_of(asset: Asset) -> str:
    """Tell what an asset is; a process of others is `other` if data flows through it, and everything else is data."""
    if asset.type_name in _KINDS:
        return _KINDS[asset.type_name]
    return OTHER if asset.related.keys() & {"inputs", "outputs"} else DATA


def is_live(deployment: Asset) -> bool:
    """Whether a deployment serves, as far as the catalog knows; a service of v1 says nothing of its state."""
    return str(deployment.attributes.get("state") or "").casefold() not in _NOT_LIVE


def settings_of(config: Asset) -> dict[str, str]:
    """Return a run's settings: all that has an attribute of its own, and the parameters."""
    own = {name: str(value) for name, value in config.attributes.items() if name not in _OF_CONFIG}
    return {**own, **_texts(config.attributes.get("parameters"))}


def metrics_of(metrics: Asset) -> dict[str, str]:
    """Return what a run logged; attributes of the accelerator where it has nothing else."""
    named = {name: str(metrics.attributes[name]) for name in METRIC_ATTRIBUTES if name in metrics.attributes}
    return _texts(metrics.attributes.get("metrics")) or named


def version_of(package: Asset) -> str:
    """Return the version a package is pinned to, else the constraint as written; "" for any version."""
    return str(package.attributes.get("version") or package.attributes.get("specifier") or "")


def _texts(text: object) -> dict[str, str]:
    """Read a JSON object out of an attribute; what is none is shown as it is."""
    if not text:
        return {}
    try:
        members: Any = json.loads(str(text))
    except ValueError:
        members = None
    if not isinstance(members, Mapping):
        return {"(unreadable)": str(text)}
    return {str(name): value if isinstance(value, str) else json.dumps(value) for name, value in members.items()}
