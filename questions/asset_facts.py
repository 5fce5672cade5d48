"""What the answers take from one asset: whether it is data, whether it serves, its settings, metrics and version."""

import json
from collections.abc import Mapping
from typing import Any

from shared.catalog.kinds import METRIC_ATTRIBUTES, Role, kind_of
from shared.purview.reader import Asset

_NOT_LIVE = frozenset({"deleted", "deleting", "archived", "failed", "canceled", "cancelled"})
_OF_CONFIG = frozenset({"name", "qualifiedName", "displayName", "parameters"})


def is_data(asset: Asset) -> bool:
    """Whether data is all that an asset is: no model version, endpoint or report, and no process of others."""
    kind = kind_of(asset.type_name)
    return kind.role is Role.DATA and not kind.listed_as and not asset.related.keys() & {"inputs", "outputs"}


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
    """Read a JSON object out of an attribute; anything else is shown as it is."""
    if not text:
        return {}
    try:
        members: Any = json.loads(str(text))
    except ValueError:
        members = None
    if not isinstance(members, Mapping):
        return {"(unreadable)": str(text)}
    return {str(name): value if isinstance(value, str) else json.dumps(value) for name, value in members.items()}
