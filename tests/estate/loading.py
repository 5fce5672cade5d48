"""Brings an estate into a catalog, as many entities to a request as the emulator takes."""

from typing import Any

from shared.bootstrap import Services
from tests.estate.generator import Estate

BATCH = 1_000


def load(estate: Estate, services: Services) -> dict[str, str]:
    """
    Write all entities.

    Returns:
        qualifiedName → guid.
    """
    services.catalog.install_types()
    guids: dict[str, str] = {}
    for start in range(0, len(estate.entities), BATCH):
        batch = estate.entities[start : start + BATCH]
        within = {entity["attributes"]["qualifiedName"]: entity["guid"] for entity in batch}
        answer = services.purview.upload_entities([_pointed(entity, within) for entity in batch])
        guids |= {name: answer["guidAssignments"][number] for name, number in within.items()}
    return guids


def _pointed(value: Any, within: dict[str, str]) -> Any:
    """Point by guid at what is in the same request: Atlas finds by name only what is there already."""
    if isinstance(value, list):
        return [_pointed(item, within) for item in value]
    if not isinstance(value, dict):
        return value
    if (unique := value.get("uniqueAttributes")) and unique["qualifiedName"] in within:
        return {"typeName": value["typeName"], "guid": within[unique["qualifiedName"]]}
    return {name: _pointed(item, within) for name, item in value.items()}
