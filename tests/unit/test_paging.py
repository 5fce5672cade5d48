"""Lists that come in pages: each page is asked for once, at the address of the service, by the contract's parameter."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from shared.azure_ml.services.inventory import Inventory
from shared.azure_ml.services.workspace_api import WorkspaceApi, WorkspaceRecord
from shared.errors import UnreadableAnswerError
from shared.http.rest import Json, RestClient
from shared.model import Workspace, WorkspaceId

WORKSPACE = WorkspaceId("s", "rg", "ws")
GUID = "10000000-0000-0000-0000-000000000000"
REGION, PRIVATE = "eastus2.api.azureml.ms", f"{GUID}.workspace.eastus2.api.azureml.ms"
ARM = "https://management.azure.com"


class Pages(RestClient):
    """A service that answers one page after the other, whatever it is asked; what is asked is kept."""

    def __init__(self, *answers: Json) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, str]]] = []

    def get(self, url: str, *, params: Mapping[str, str] | None = None, anonymous: bool = False) -> Json:
        self.asked.append((url, dict(params or {})))
        assert len(self.asked) < 10, "asks for ever"
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def children(rest: Pages, host: str = REGION) -> list[str]:
    record = WorkspaceRecord(Workspace(WORKSPACE, "ws", "eastus2"), GUID, f"https://{host}", frozenset())
    return [child["runId"] for child in WorkspaceApi(rest, record).list_children("pipe")]


def page(*runs: str, mark: str | None = None, link: str | None = None) -> Json:
    value = [{"runId": run, "experimentId": "e"} for run in runs]
    return {"value": value, "continuationToken": mark, "nextLink": link}


def test_children_go_on_by_the_token_that_run_history_reads() -> None:
    """The bare `continuationToken` belongs to lists of artifacts: with it the first page came again and again."""
    rest = Pages(page("a", mark="t1"), page("b", mark="t2"), page("c"))
    assert children(rest) == ["a", "b", "c"]
    assert [params for _, params in rest.asked] == [{}, {"$continuationtoken": "t1"}, {"$continuationtoken": "t2"}]


@pytest.mark.parametrize(
    ("asked", "linked"),
    [
        (REGION, REGION),
        (REGION, f"{REGION}:443"),
        (REGION, REGION.upper()),
        (REGION, PRIVATE),
        (PRIVATE, REGION),
        (PRIVATE, f"{PRIVATE}:443"),
    ],
)
def test_link_with_another_name_of_the_service_is_followed_where_it_was_asked(asked: str, linked: str) -> None:
    """The token never leaves the address that the workspace's discovery gave."""
    rest = Pages(page("a", link=f"https://{linked}/children?$continuationtoken=t1"), page("b"))
    assert children(rest, asked) == ["a", "b"]
    assert rest.asked[1] == (f"https://{asked}/children?$continuationtoken=t1", {})


@pytest.mark.parametrize(
    "answers",
    [
        [page("a", mark="t1")],
        [page("a", link=f"https://{REGION}/children?$continuationtoken=t1")],
        [page("a", mark="t1"), page("b", mark="t2"), page("a", mark="t1")],
        [page("a", link="https://elsewhere.example/children")],
        [page("a", link=f"http://{REGION}/children")],
        [page("a", link=f"https://{REGION}:https/children")],
        [page("a", link=f"https://00000000-0000-0000-0000-000000000001.workspace.{REGION}/children")],
    ],
)
def test_children_that_cannot_all_be_read_are_an_error(answers: list[Json]) -> None:
    """A pipeline with half of its steps would be lineage that claims to be whole."""
    with pytest.raises(UnreadableAnswerError):
        children(Pages(*answers))


def workspaces(*answers: Any) -> list[WorkspaceId]:
    return Inventory(cast(RestClient, Pages(*answers)), arm_endpoint=ARM).list_workspaces("/subscriptions/s")


def arm(name: str, link: str | None = None) -> Json:
    return {"value": [{"id": f"{WORKSPACE.arm_id}{name}"}], "nextLink": link}


@pytest.mark.parametrize("host", ["management.azure.com", "management.azure.com:443", "Management.Azure.com"])
def test_arm_list_goes_on_at_any_way_to_write_its_host(host: str) -> None:
    """Other resource providers write the port."""
    assert len(workspaces(arm("1", f"https://{host}/next?$skip=1"), arm("2"))) == 2


@pytest.mark.parametrize(
    "link", [f"{ARM}/next?$skip=1", "https://elsewhere.example/next", f"{ARM}:444/next", "next", "https://[/"]
)
def test_arm_list_that_repeats_or_leads_elsewhere_is_an_error(link: str) -> None:
    """It is neither read for ever nor taken for complete, and no token goes elsewhere."""
    with pytest.raises(UnreadableAnswerError):
        workspaces(arm("1", link))


@pytest.mark.parametrize("kind", ["runs", "models"])
def test_page_of_the_inventory_that_leads_to_itself_is_an_error(kind: str) -> None:
    """Each tick would look at the same page."""
    link = f"{ARM}/next?$skip=1"
    inventory = Inventory(Pages({"value": [], "nextLink": link}), arm_endpoint=ARM)
    list_page = inventory.list_runs if kind == "runs" else inventory.list_models
    assert list_page(WORKSPACE).next == link
    with pytest.raises(UnreadableAnswerError):
        list_page(WORKSPACE, page=link)
