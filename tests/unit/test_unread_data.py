"""What Azure ML refuses to say of data is asked for again soon, what it says is remembered for longer."""

from typing import cast

import pytest

from shared.azure_ml.run.data_references import DataReader
from shared.azure_ml.services.sdk import SdkClient
from shared.azure_ml.services.workspace_api import WorkspaceApi, WorkspaceRecord
from shared.cache import Cache
from shared.errors import AccessDeniedError, LineageError, RequestRefusedError, UnreadableAnswerError
from shared.model import Datastore, Location, ModelVersion, Workspace, WorkspaceId

LAKE = Datastore("lake", "AzureDataLakeGen2", account="acct", container="fs")
URI = "azureml://datastores/lake/paths/raw/a.csv"


class Refusing:
    """Datastores that are refused as long as there is an error; the time is what the test says it is."""

    def __init__(self, error: LineageError | None) -> None:
        self.error = error
        self.asked = 0
        self.time = 0.0
        cache, brief = (Cache(size=9, seconds=seconds, clock=lambda: self.time) for seconds in (600, 30))
        record = WorkspaceRecord(Workspace(WorkspaceId("s", "rg", "ws"), "ws", ""), "guid", "https://x", frozenset())
        sdk, api = cast(SdkClient, self), cast(WorkspaceApi, None)
        self.reader = DataReader(record, api, sdk, ModelVersion, cache, brief)

    def list_datastores(self) -> dict[str, Datastore]:
        self.asked += 1
        if self.error:
            raise self.error
        return {"lake": LAKE}

    def get_datastore(self, name: str) -> Datastore:
        return self.list_datastores()[name]

    def locate(self, *, at: float) -> Location:
        self.time = at
        location = self.reader.locate(URI)
        assert location
        return location


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (AccessDeniedError("no"), "access is denied"),
        (RequestRefusedError("no", status=405), "HTTP 405"),
        (UnreadableAnswerError("no"), "the answer is not of a form that is known here"),
    ],
)
def test_refused_datastore_is_known_by_its_name_and_asked_for_again_soon(error: LineageError, why: str) -> None:
    """Once for the list and once by its name, however often data in it is placed meanwhile."""
    store = Refusing(error)
    assert [store.locate(at=0).unread, store.locate(at=20).unread] == [f"datastore lake ({why})"] * 2
    assert store.asked == 2
    store.error = None
    location = store.locate(at=40)
    assert (location.url, location.unread) == ("https://acct.dfs.core.windows.net/fs/raw/a.csv", "")
    store.locate(at=600)
    assert store.asked == 3


def test_place_is_noted_where_datastores_cannot_be_listed_but_read() -> None:
    """Another datastore might say that the account is a lake."""
    store = Refusing(RequestRefusedError("no", status=400))
    store.get_datastore = lambda name: LAKE  # type: ignore[method-assign]
    assert store.locate(at=0).unread == "the list of datastores (HTTP 400)"
