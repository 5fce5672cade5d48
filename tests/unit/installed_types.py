"""The types a catalog starts with, read as data, and the attributes that entities of each type can have."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from shared.purview.types import plan_types

EMULATOR = Path(__file__).parents[2] / "emulator"
BUILT_IN: list[dict[str, Any]] = [
    item
    for path in sorted((EMULATOR / "purview/types/builtin_types").glob("*.yaml"))
    for item in yaml.safe_load(path.read_text()).get("entityDefs") or []
]


def attributes_by_type(definitions: Iterable[dict[str, Any]]) -> dict[str, set[str]]:
    """List the attributes of each type, inherited ones and relationship ends among them."""
    by_name = {item["name"]: item for item in definitions}

    def of(name: str) -> set[str]:
        own = {attribute["name"] for attribute in by_name[name].get("attributeDefs") or []}
        return own.union(*(of(parent) for parent in by_name[name].get("superTypes") or []))

    return {name: of(name) for name in by_name}


INHERITED = attributes_by_type(BUILT_IN)
ATTRIBUTES_OF = attributes_by_type([*BUILT_IN, *plan_types({}).create_entities])
