"""Lists that come in pages: each page is asked for once, at the address of the service, by the contract's parameter."""

from collections.abc import Mapping
from typing import Any

import pytest

from shared.azure_ml.services.inventory import Inventory
from shared.azure_ml.services.workspace_api import WorkspaceApi, WorkspaceRecord, list_guids
from shared.errors import RequestRefusedError, UnreadableAnswerError
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


class Refusing(Pages):
    """A model registry that knows no list."""

    def post(self, url: str, body: Json, *, params: Mapping[str, str] | None = None) -> Json:
        raise RequestRefusedError(url, status=405)


def children(rest: Pages, host: str = REGION) -> list[str]:
    return [child["runId"] for child in WorkspaceApi(rest, record(host)).list_children("pipe") if child]


def record(host: str) -> WorkspaceRecord:
    return WorkspaceRecord(Workspace(WORKSPACE, "ws", "eastus2"), GUID, f"https://{host}", frozenset())


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
    return open_inventory(Pages(*answers)).list_workspaces("/subscriptions/s")


def open_inventory(rest: Pages) -> Inventory:
    return Inventory(rest, arm_endpoint=ARM, get_record=lambda _: record(REGION))


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
    inventory = open_inventory(Refusing({"value": [], "nextLink": link}))
    list_page = inventory.list_runs if kind == "runs" else inventory.list_models
    assert list_page(WORKSPACE).next == link
    with pytest.raises(UnreadableAnswerError):
        list_page(WORKSPACE, page=link)


class Registry(Pages):
    """Answers what is posted as what is asked for."""

    def post(self, url: str, body: Json, *, params: Mapping[str, str] | None = None) -> Json:
        return self.get(url, params={"skipToken": str(body.get("skipToken") or "")})


def test_models_go_on_by_the_token_of_the_registry() -> None:
    """A page is not asked for twice, and names are made text whatever the registry makes of a version."""
    first = {"value": [{"name": "m", "version": 2}], "continuationToken": "t1"}
    second = {"value": [{"name": "m", "version": "one"}], "continuationToken": None}
    rest = Registry(first, second)
    inventory = open_inventory(rest)
    one = inventory.list_models(WORKSPACE)
    other = inventory.list_models(WORKSPACE, page=one.next)
    assert [item.version for item in (*one.items, *other.items)] == ["2", "one"]
    assert (rest.asked[1][1], other.next) == ({"skipToken": "t1"}, "")
    with pytest.raises(UnreadableAnswerError):
        open_inventory(Registry(first)).list_models(WORKSPACE, page="t1")


def test_models_are_listed_by_name_where_the_registry_refuses() -> None:
    """The list of the registry is in its contract; that every workspace answers it is not known."""

    containers = {"value": [{"name": "m"}], "nextLink": f"{ARM}/next?$skip=1"}
    versions = {"value": [{"name": "1"}]}
    inventory = open_inventory(Refusing(containers, versions, {"value": []}))
    one = inventory.list_models(WORKSPACE)
    assert [item.version for item in one.items] == ["1"]
    assert inventory.list_models(WORKSPACE, page=one.next).items == ()


def test_null_among_workspaces_by_guid_costs_none_of_the_others() -> None:
    """What is read of other workspaces needs their names."""
    bodies = [None, {"id": WORKSPACE.arm_id, "properties": {"workspaceId": GUID}}, {"id": WORKSPACE.arm_id}]
    assert list_guids(Pages({"value": bodies}), ARM, "/subscriptions/s") == {GUID: WORKSPACE}


def test_null_among_children_costs_none_of_the_others() -> None:
    """The end of the list is another thing."""
    listed: Json = {"value": [None, *page("a")["value"]]}
    found = list(WorkspaceApi(Pages(listed), record(REGION)).list_children("pipe"))
    assert [child and child["runId"] for child in found] == [None, "a"]
