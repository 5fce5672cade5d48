"""v1 data sets: placed where their own service says so in a form that is known, otherwise left as they are."""

import json
from typing import Any, cast

import pytest

from shared.azure_ml.run.data_references import DataReader, list_saved_uris
from shared.azure_ml.run.inputs_outputs import Binding
from shared.azure_ml.services.workspace_api import WorkspaceApi, WorkspaceRecord
from shared.cache import Cache
from shared.errors import (
    AccessDeniedError,
    LineageError,
    RecordNotFoundError,
    RequestRefusedError,
    ServiceUnavailableError,
    UnreadableAnswerError,
)
from shared.http.rest import Json, RestClient
from tests.unit.examples import ARM_ID, WORKSPACE, WORKSPACE_ID

HERE = f"azureml://subscriptions/{WORKSPACE_ID.subscription_id}/resourcegroups/rg-ml/workspaces/ws-ml"


def datastore(path: str, workspace: str = "ws-ml") -> dict[str, str]:
    return {
        "datastoreName": "lake",
        "path": path,
        "resourceGroup": "rg-ml",
        "subscription": WORKSPACE_ID.subscription_id,
        "workspaceName": workspace,
    }


def saved(kind: str, **arguments: Any) -> dict[str, Any]:
    blocks = [{"type": f"Microsoft.DPrep.{kind}", "arguments": arguments}, {"type": "Microsoft.DPrep.TakeSampleBlock"}]
    return {"id": "x", "datasetType": "File", "dataflowJson": json.dumps({"blocks": blocks})}


def files(*paths: str, **more: str) -> dict[str, Any]:
    return saved("GetDatastoreFilesBlock", datastores=[datastore(path, **more) for path in paths])


class FakeRest:
    """v1's service; what is asked is kept."""

    def __init__(self, answer: dict[str, Any] | LineageError) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def get(self, url: str) -> Json:
        self.asked.append(url)
        if isinstance(self.answer, LineageError):
            raise self.answer
        return self.answer


def place(rest: FakeRest, *asset_ids: str) -> list[Binding]:
    record = WorkspaceRecord(WORKSPACE, "guid", "https://api/", hierarchical_accounts=frozenset())
    api = WorkspaceApi(cast(RestClient, rest), record)
    cache = Cache(size=100, seconds=60, clock=lambda: 0)
    reader = DataReader(record, api, cast(Any, None), cast(Any, None), cache, cache)
    return list(
        reader.place_saved(Binding("loans", asset_id, "", "", is_output=False, field="f") for asset_id in asset_ids)
    )


@pytest.mark.parametrize(
    ("body", "uris"),
    [
        (files("raw/a.csv"), [f"{HERE}/datastores/lake/paths/raw/a.csv"]),
        (files("/raw/**"), [f"{HERE}/datastores/lake/paths/raw/**"]),
        (files("a", "b"), [f"{HERE}/datastores/lake/paths/a", f"{HERE}/datastores/lake/paths/b"]),
        (saved("GetDatastoreFilesBlock", datastore=datastore("a")), [f"{HERE}/datastores/lake/paths/a"]),
        (saved("GetFilesBlock", path={"target": 4, "resourceDetails": [{"path": "https://h/a"}]}), ["https://h/a"]),
        ({"dataPath": {"datastoreName": "lake", "relativePath": "a"}}, ["azureml://datastores/lake/paths/a"]),
        (saved("ReadDatastoreSqlBlock", datastore={"datastoreName": "sql", "query": "select 1"}), []),
        (saved("GetFilesBlock", path={}), []),
        (saved("GetDatastoreFilesBlock", datastores=[{"path": "a"}]), []),
        ({"dataflowJson": "{"}, []),
        ({"dataflowJson": '{"blocks": []}'}, []),
        ({"dataflowJson": "[]"}, []),
        ({"dataflowJson": 7}, []),
        ({"dataPath": {"sqlDataPath": {}}}, []),
        ({}, []),
    ],
)
def test_place_of_a_saved_data_set_is_where_its_first_block_reads(body: dict[str, Any], uris: list[str]) -> None:
    """As azureml-core writes it; nothing is guessed from any other form."""
    assert list(list_saved_uris(body)) == uris


def test_saved_id_becomes_the_paths_behind_it() -> None:
    """The field stays what the record says; a name that is taken twice would hide one of them."""
    first, second = place(FakeRest(files("a", "b")), "saveddatasets/1")
    assert (first.name, first.asset_id, first.field) == ("loans", f"{HERE}/datastores/lake/paths/a", "f")
    assert (second.name, second.asset_id) == ("loans[1]", f"{HERE}/datastores/lake/paths/b")


def test_each_saved_id_is_asked_for_once_and_nothing_else_is() -> None:
    """However many runs name it."""
    rest = FakeRest(files("a"))
    place(rest, "saveddatasets/a/b", "saveddatasets/a/b", "azureml://data/churn/versions/1", "saveddatasets/2")
    root = f"https://api/dataset/v1.0{ARM_ID}/saveddatasets"
    assert rest.asked == [f"{root}/a%2Fb", f"{root}/2"]


@pytest.mark.parametrize(
    "answer",
    [
        files("a", workspace="other"),
        saved("GetFilesBlock", path={"resourceDetails": [{"path": "https://h/a"}, {"path": "/local/a"}]}),
        {},
        RecordNotFoundError("gone"),
        RequestRefusedError("retired", status=410),
        AccessDeniedError("no"),
        UnreadableAnswerError("no"),
    ],
)
def test_what_cannot_be_placed_keeps_its_saved_id(answer: dict[str, Any] | LineageError) -> None:
    """All of it: half a data set would look like the whole."""
    (binding,) = place(FakeRest(answer), "saveddatasets/1")
    assert (binding.name, binding.asset_id) == ("loans", "saveddatasets/1")


def test_service_that_is_down_brings_the_message_back() -> None:
    """It will say more later."""
    with pytest.raises(ServiceUnavailableError):
        place(FakeRest(ServiceUnavailableError("down")), "saveddatasets/1")
