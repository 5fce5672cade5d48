"""The emulated workspace as an inventory sees it: pages, views, and what was archived or deleted since."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from emulator.server import Emulator

WORKSPACE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-ml"
    "/providers/Microsoft.MachineLearningServices/workspaces/ws-credit"
)
VERSION = "2024-10-01-preview"
EXTRA: dict[str, Any] = {
    "workspaces": {
        "ws-credit": {
            "runs": {
                f"job_{number:03}": {"start": f"2026-07-0{4 + number // 24}T{number % 24:02}:00:00Z"}
                for number in range(70)
            },
            "batch_endpoints": {"nightly": {"deployments": {"one": {"model": "creditrisk_model:2"}}}},
        }
    }
}
TOP_LEVEL = 74  # and the four of credit-risk

Get = Callable[..., requests.Response]


@pytest.fixture
def get(emulator: Emulator) -> Iterator[Get]:
    """GET a path below the workspace of credit-risk, which has 70 jobs and a batch endpoint more."""
    emulator.control.use("credit-risk")
    emulator.control.add_to_azure_ml(EXTRA)
    with requests.Session() as session:
        session.trust_env = False
        session.verify = emulator.ca_bundle
        session.headers["Authorization"] = "Bearer anything"

        def send(path: str, **query: str) -> requests.Response:
            url = path if path.startswith("https") else f"{emulator.url}{WORKSPACE}{path}"
            params = {} if path.startswith("https") else {"api-version": VERSION, **query}
            return session.get(url, params=params, timeout=10)

        yield send


def every(get: Get, path: str, **query: str) -> list[dict[str, Any]]:
    """Follow a list to its end."""
    answer = get(path, **query).json()
    found = list(answer["value"])
    while answer["nextLink"]:
        answer = get(answer["nextLink"]).json()
        found += answer["value"]
    return found


def names(get: Get, path: str, **query: str) -> list[str]:
    """List the names on all pages."""
    return [item["name"] for item in every(get, path, **query)]


def test_jobs_are_paged_newest_first_with_status_and_time(get: Get) -> None:
    """Each page leads to the next by a link of its own, and no job is missed or repeated."""
    jobs = every(get, "/jobs")
    times = [job["systemData"]["createdAt"] for job in jobs]
    assert times == sorted(times, reverse=True)
    assert len({job["name"] for job in jobs}) == len(jobs) == TOP_LEVEL
    assert {job["properties"]["status"] for job in jobs} == {"Completed"}
    assert len(get("/jobs").json()["value"]) == 30


def test_archived_job_is_listed_only_in_the_views_that_say_so(emulator: Emulator, get: Get) -> None:
    """Without a view, archived jobs are left out; read by name, they are there and say so."""
    emulator.control.archive("jobs", "job_010")
    assert names(get, "/jobs", listViewType="ArchivedOnly") == ["job_010"]
    assert "job_010" not in names(get, "/jobs")
    assert names(get, "/jobs") == names(get, "/jobs", listViewType="ActiveOnly")
    assert len(names(get, "/jobs", listViewType="All")) == TOP_LEVEL
    assert get("/jobs/job_010").json()["properties"]["isArchived"] is True
    emulator.control.archive("jobs", "job_010", archived=False)
    assert names(get, "/jobs", listViewType="ArchivedOnly") == []
    assert get("/jobs/job_010").json()["properties"]["isArchived"] is False


@pytest.mark.parametrize(
    ("kind", "name", "version"),
    [
        ("models", "creditrisk_model", "2"),
        ("data", "LoanData", "1"),
        ("data", "CreditRiskBatchInferenceData", "1"),
        ("environments", "creditrisk-env", "3"),
    ],
)
def test_archived_version_is_left_out_of_the_versions(
    emulator: Emulator, get: Get, kind: str, name: str, version: str
) -> None:
    """It can still be read, and its container is listed as before."""
    containers = names(get, f"/{kind}")
    emulator.control.archive(kind, name, version)
    assert version not in names(get, f"/{kind}/{name}/versions")
    assert names(get, f"/{kind}/{name}/versions", listViewType="ArchivedOnly") == [version]
    assert get(f"/{kind}/{name}/versions/{version}").json()["properties"]["isArchived"] is True
    assert names(get, f"/{kind}") == containers


def test_archived_container_is_left_out_of_the_containers(emulator: Emulator, get: Get) -> None:
    """Its versions are as they were."""
    emulator.control.archive("models", "creditrisk_model")
    assert names(get, "/models") == []
    assert names(get, "/models", listViewType="All") == ["creditrisk_model"]
    assert get("/models/creditrisk_model").json()["properties"]["isArchived"] is True
    assert len(names(get, "/models/creditrisk_model/versions")) == 2


def test_deleted_model_version_is_not_found_anywhere(emulator: Emulator, get: Get) -> None:
    """Not read, not listed and not resolved, while the run that made it stays."""
    emulator.control.delete("models", "creditrisk_model", "2")
    assert get("/models/creditrisk_model/versions/2").status_code == 404
    assert names(get, "/models/creditrisk_model/versions") == ["1"]
    emulator.control.delete("models", "creditrisk_model", "1")
    assert names(get, "/models") == []
    assert get("/models/creditrisk_model").status_code == 404
    assert get("/jobs/creditrisk_train").status_code == 200


def test_deleted_job_is_not_found_anywhere_nor_what_is_below_it(emulator: Emulator, get: Get) -> None:
    """Not read and not listed, until one of that name comes again."""
    listed = names(get, "/jobs")
    emulator.control.delete("jobs", "creditrisk_pipeline")
    assert get("/jobs/creditrisk_pipeline").status_code == 404
    assert get("/jobs/cccccccc-0000-4000-8000-000000000003").status_code == 404
    assert names(get, "/jobs") == [name for name in listed if name != "creditrisk_pipeline"]
    emulator.control.add_to_azure_ml({"workspaces": {"ws-credit": {"runs": {"creditrisk_pipeline": {}}}}})
    assert get("/jobs/creditrisk_pipeline").status_code == 200


@pytest.mark.parametrize(
    ("kind", "name", "deployment"),
    [("onlineEndpoints", "creditrisk-endpoint", "blue"), ("batchEndpoints", "nightly", "one")],
)
def test_deployment_and_then_its_endpoint_can_be_deleted(
    emulator: Emulator, get: Get, kind: str, name: str, deployment: str
) -> None:
    """An endpoint without deployments is still an endpoint, and forgets its default."""
    assert names(get, f"/{kind}") == [name]
    assert names(get, f"/{kind}/{name}/deployments") == [deployment]
    emulator.control.delete(kind, name, deployment=deployment)
    assert get(f"/{kind}/{name}/deployments/{deployment}").status_code == 404
    assert names(get, f"/{kind}/{name}/deployments") == []
    assert get(f"/{kind}/{name}").json()["properties"].get("defaults", {}).get("deploymentName") is None
    emulator.control.delete(kind, name)
    assert get(f"/{kind}/{name}").status_code == 404
    assert get(f"/{kind}/{name}/deployments").status_code == 404
    assert names(get, f"/{kind}") == []


def test_what_was_deleted_stays_deleted_when_something_is_added(emulator: Emulator, get: Get) -> None:
    """A fragment changes only what it names; reset brings everything back."""
    emulator.control.delete("onlineEndpoints", "creditrisk-endpoint")
    emulator.control.archive("jobs", "job_001")
    emulator.control.add_to_azure_ml({"workspaces": {"ws-credit": {"runs": {"later": {}}}}})
    assert names(get, "/onlineEndpoints") == []
    assert names(get, "/jobs", listViewType="ArchivedOnly") == ["job_001"]
    emulator.control.reset()
    assert names(get, "/onlineEndpoints") == ["creditrisk-endpoint"]


def test_what_was_deleted_and_is_added_again_is_there(emulator: Emulator, get: Get) -> None:
    """As a person who creates an endpoint of the same name again."""
    emulator.control.delete("batchEndpoints", "nightly")
    endpoint = {"nightly": {"deployments": {"two": {"model": "creditrisk_model:1"}}}}
    emulator.control.add_to_azure_ml({"workspaces": {"ws-credit": {"batch_endpoints": endpoint}}})
    assert names(get, "/batchEndpoints/nightly/deployments") == ["two"]


@pytest.mark.parametrize("path", ["/jobs", "/models", "/onlineEndpoints", "/batchEndpoints/nightly/deployments"])
def test_list_without_api_version_is_refused(get: Get, path: str) -> None:
    """As everything of ARM's."""
    assert get(path, **{"api-version": ""}).status_code == 400


@pytest.mark.parametrize("path", ["/jobs", "/models", "/models/creditrisk_model/versions", "/data"])
def test_list_in_an_unknown_view_is_refused(get: Get, path: str) -> None:
    """A mistyped view must not look like an empty list."""
    assert get(path, listViewType="Archived").status_code == 400


@pytest.mark.parametrize(
    "arguments",
    [
        ("jobs", "absent"),
        ("jobs", "job_001", "1"),
        ("models", "creditrisk_model", "9"),
        ("models", "absent"),
        ("onlineEndpoints", "creditrisk-endpoint"),
        ("datastores", "lake"),
    ],
)
def test_archiving_what_is_not_there_is_refused(emulator: Emulator, get: Get, arguments: tuple[str, ...]) -> None:
    """So that a test which mistypes a name fails."""
    assert get("").ok
    with pytest.raises(ValueError, match=r"\w"):
        emulator.control.archive(*arguments)


@pytest.mark.parametrize(
    ("arguments", "deployment"),
    [
        (("jobs", "absent"), None),
        (("models", "creditrisk_model"), None),
        (("models", "creditrisk_model", "9"), None),
        (("models", "creditrisk_model", "2"), "blue"),
        (("onlineEndpoints", "absent"), None),
        (("onlineEndpoints", "creditrisk-endpoint"), "green"),
        (("batchEndpoints", "nightly", "1"), None),
    ],
)
def test_deleting_what_is_not_there_is_refused(
    emulator: Emulator, get: Get, arguments: tuple[str, ...], deployment: str | None
) -> None:
    """Nor can a model be deleted as a whole."""
    assert get("").ok
    with pytest.raises(ValueError, match=r"\w"):
        emulator.control.delete(*arguments, deployment=deployment)


def test_workspace_has_to_be_named_where_there_are_several(emulator: Emulator) -> None:
    """By its name or by its ARM id."""
    emulator.control.use("two-workspaces")
    with pytest.raises(ValueError, match="name one workspace"):
        emulator.control.archive("jobs", "train")
    emulator.control.archive("jobs", "train", workspace="ws-west")
    lifecycles = emulator.control.state()["azure_ml"]["lifecycles"]
    west = next(path for path in lifecycles if path.endswith("/ws-west"))
    emulator.control.delete("models", "churn_model", "1", workspace=west)
    assert lifecycles[west] == {"archived": ["jobs/train"], "deleted": []}
    assert emulator.control.state()["azure_ml"]["lifecycles"][west]["deleted"] == ["models/churn_model/versions/1"]
