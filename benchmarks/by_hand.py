"""
The baseline: what the accelerator's notebooks do to the catalog, one call an entity, with the unmodified client.

Its call sequence is kept (10 calls a step, 19 for what surrounds the steps); the payloads are as small as ours, so the
difference measured is that of the requests.
"""

import warnings
from collections.abc import Mapping

from pyapacheatlas.auth.base import AtlasAuthBase
from pyapacheatlas.core.client import AtlasClient
from pyapacheatlas.core.entity import AtlasEntity, AtlasProcess

LEGACY_PATH = "/catalog/api/atlas/v2"
AROUND_THE_STEPS = 19


class _Token(AtlasAuthBase):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def get_authentication_headers(self, **_: object) -> dict[str, str]:
        return {"Authorization": "Bearer emulator", "Content-Type": "application/json"}


def publish_chain_by_hand(endpoint: str, ca_bundle: str, steps: int) -> None:
    """Write a chain of steps as a notebook would: look up, write, look up again; a new connection for every call."""
    warnings.simplefilter("ignore", RuntimeWarning)
    client = AtlasClient(f"{endpoint}{LEGACY_PATH}", authentication=_Token(), requests_verify=ca_bundle)
    workspace = _upload(client, "custom_ml_workspace", "workspace")
    experiment = _upload(client, "custom_ml_experiment", "experiment", parent=("workspace", workspace))
    # The rest of the nineteen stand for packages, settings, datastores and their look-ups.
    for number in range(AROUND_THE_STEPS - 3):
        _upload(client, "custom_dataset", f"around-{number}")
    source: Mapping[str, str] = _upload(client, "custom_dataset", "data-000")
    for number in range(1, steps + 1):
        source = _publish_step(client, number, source, experiment)


def _publish_step(
    client: AtlasClient, number: int, source: Mapping[str, str], experiment: Mapping[str, str]
) -> Mapping[str, str]:
    name = f"data-{number:03}"
    _look_up(client, "custom_dataset", f"data-{number - 1:03}")
    _look_up(client, "custom_dataset", name)
    target = _upload(client, "custom_dataset", name)
    schema = _upload(client, "tabular_schema", f"{name}#schema")
    _upload(client, "column", f"{name}#column", parent=("composeSchema", schema), type="string")
    _upload(client, "custom_dataset", name)
    _look_up(client, "custom_dataset", f"data-{number - 1:03}")
    _look_up(client, "custom_dataset", name)
    process = AtlasProcess(
        f"step-{number:03}",
        "custom_ml_experiment_step",
        f"pyapacheatlas://step-{number:03}",
        inputs=[dict(source)],
        outputs=[dict(target)],
        guid="-1",
        relationshipAttributes={"experiment": dict(experiment)},
    )
    client.upload_entities([process])
    _look_up(client, "custom_ml_experiment_step", f"step-{number:03}")
    return target


def _upload(
    client: AtlasClient,
    type_name: str,
    name: str,
    *,
    parent: tuple[str, Mapping[str, str]] | None = None,
    **attributes: str,
) -> dict[str, str]:
    relations = {"relationshipAttributes": {parent[0]: dict(parent[1])}} if parent else {}
    entity = AtlasEntity(
        name, type_name, f"pyapacheatlas://{name}", guid="-1", attributes=dict(attributes), **relations
    )
    answer = client.upload_entities([entity])
    return {"typeName": type_name, "guid": answer["guidAssignments"]["-1"]}


def _look_up(client: AtlasClient, type_name: str, name: str) -> None:
    client.get_entity(qualifiedName=f"pyapacheatlas://{name}", typeName=type_name)
