"""The generated fleet: the same from the same seed, what the services say of it is its truth, and it is light."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from emulator.fleet.events import FleetEvents
from emulator.fleet.fleet import Edge, Fleet, Node
from emulator.fleet.plan import CANCELED, COMPLETED, FAILED, MIXED, SINGLE
from emulator.scenarios import Scenario, UnknownScenarioError, load
from emulator.server import Emulator

RUNS = 150
VERSION = "2024-10-01-preview"
EVERY_STATUS = (COMPLETED, FAILED, CANCELED)

START_AND_LOOK = """
import resource, psutil
from emulator.azure_ml import AzureML
from emulator.scenarios import Scenario, load
seed = load(Scenario("fleet", runs=100_000, shape="single"))
(workspace,) = AzureML(seed.azure_ml, seed.families).workspaces()
newest, oldest = workspace.newest_first[0].id, workspace.newest_first[99_999].id
some = workspace.runs["fleet-054321"].outputs["out"].asset_id.rpartition("/data/")[2]
usage = resource.getrusage(resource.RUSAGE_SELF)
# Not ru_maxrss, which a process inherits from the one that started it.
print(newest, oldest, some, psutil.Process().memory_info().rss // 2**20, usage.ru_utime < 30)
"""


class Services:
    """Azure ML as a client sees it."""

    def __init__(self, emulator: Emulator, session: requests.Session) -> None:
        self._url = emulator.url
        self._session = session

    def get(self, path: str, **query: str) -> Any:
        """GET a path."""
        answer = self._session.get(f"{self._url}{path}", params={"api-version": VERSION, **query}, timeout=20)
        assert answer.ok, answer.text
        return answer.json()

    def status(self, path: str) -> int:
        """GET a path for its status."""
        url = f"{self._url}{path}"
        return self._session.get(url, params={"api-version": VERSION}, timeout=20).status_code

    def post(self, path: str, body: object) -> Any:
        """POST JSON."""
        answer = self._session.post(f"{self._url}{path}", json=body, timeout=20)
        assert answer.ok, answer.text
        return answer.json()

    def every(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Follow a list to its end."""
        found: list[dict[str, Any]] = []
        answer = self.get(path, **query)
        while True:
            found += answer["value"]
            if not answer["nextLink"]:
                return found
            answer = self._session.get(answer["nextLink"], timeout=20).json()


@pytest.fixture
def services(emulator: Emulator) -> Iterator[Services]:
    """A fleet of 150 root runs."""
    emulator.control.use("fleet", runs=RUNS, seed=1)
    with requests.Session() as session:
        session.trust_env = False
        session.verify = emulator.ca_bundle
        session.headers["Authorization"] = "Bearer anything"
        yield Services(emulator, session)


def seen_edges(services: Services, workspace: str) -> set[Edge]:
    """Work the lineage of a workspace out of what the services say, by their documentation only."""
    stores = {store["name"]: _base(store["properties"]) for store in services.every(f"{workspace}/datastores")}
    edges = set()
    for job in services.every(f"{workspace}/jobs"):
        children = services.get(f"/history/v1.0{workspace}/runs/{job['name']}/children")["value"]
        for run_id in [child["runId"] for child in children] or [job["name"]]:
            body = {"runId": run_id, "selectRunMetadata": True}
            record = services.post(f"/history/v1.0{workspace}/rundata", body)["runMetadata"]
            run = Node("run", run_id, workspace)
            for given in record["inputs"].values():
                edges.add(Edge(_node(services, workspace, stores, given), run))
            for name, made in record["outputs"].items():
                if name != "default":
                    edges.add(Edge(run, _node(services, workspace, stores, made)))
    for container in services.every(f"{workspace}/models"):
        for version in services.every(f"{workspace}/models/{container['name']}/versions"):
            model = Node("model", f"{container['name']}:{version['name']}", workspace)
            edges.add(Edge(Node("run", version["properties"]["jobName"], workspace), model))
    for kind, path in (("online", "onlineEndpoints"), ("batch", "batchEndpoints")):
        for endpoint in services.every(f"{workspace}/{path}"):
            for deployment in services.every(f"{workspace}/{path}/{endpoint['name']}/deployments"):
                refers = deployment["properties"]["model"]
                model_id = refers if isinstance(refers, str) else refers["assetId"]
                model = Node("model", model_id.partition("/models/")[2].replace("/versions/", ":"), workspace)
                edges.add(Edge(model, Node(kind, endpoint["name"], workspace)))
    return edges


def _node(services: Services, workspace: str, stores: dict[str, str], asset: dict[str, str]) -> Node:
    asset_id = asset["assetId"]
    if "/models/" in asset_id:
        name, version = asset_id.partition("/models/")[2].split("/versions/")
        return Node("model", f"{name}:{version}", workspace)
    path = f"/data/v1.0{workspace}/dataversion/batchGetResolvedUris"
    uri = services.post(path, {"values": [asset_id]})["values"][asset_id]["uri"]
    store, _, tail = uri.partition("/datastores/")[2].partition("/paths/")
    return Node("data", f"{stores[store]}/{tail}".rstrip("/"))


def _base(store: dict[str, Any]) -> str:
    kind, container = ("dfs", "filesystem") if "filesystem" in store else ("blob", "containerName")
    return f"https://{store['accountName']}.{kind}.core.windows.net/{store[container]}"


def test_same_seed_gives_the_same_fleet() -> None:
    """Documents, events and truth; another seed gives another fleet."""
    one, same, other = (load(Scenario("fleet", runs=40, seed=seed)) for seed in (1, 1, 2))
    assert (one.azure_ml, one.purview, list(one.events)) == (same.azure_ml, same.purview, list(same.events))
    assert one.azure_ml != other.azure_ml
    assert list(Fleet(40, 1).edges()) == list(Fleet(40, 1).edges())


def test_larger_fleet_only_adds_later_runs() -> None:
    """So a small fleet can be grown by a test."""
    small, large = list(Fleet(30, 1).edges()), list(Fleet(60, 1).edges())
    assert large[: len(small)] == small


def test_fleet_is_a_mix() -> None:
    """Jobs and pipelines of each length, every end, models, registered outputs, endpoints of both kinds."""
    plans = list(Fleet(600, 1).plans())
    assert {plan.steps for plan in plans} == {0, 2, 3, 4, 5}
    assert {plan.status for plan in plans} == set(EVERY_STATUS)
    assert {plan.workspace for plan in plans} == {0, 1, 2}
    models = [plan for plan in plans if plan.has_model]
    assert 0.05 < sum(plan.deployed == "online" for plan in models) / len(models) < 0.15
    assert any(plan.deployed == "batch" for plan in models)
    assert any(plan.registers_output for plan in plans)
    assert {True, False} == {plan.announced for plan in plans if plan.deployed == "online"}


def test_runs_of_the_fleet_share_what_they_read() -> None:
    """Data of the lake is read in all workspaces, outputs and models by later runs of their own."""
    readers: dict[Node, set[str]] = {}
    made = set()
    for edge in Fleet(300, 1).edges():
        if edge.target.kind == "run":
            readers.setdefault(edge.source, set()).add(edge.target.workspace)
        else:
            made.add(edge.target)
    assert max(len(workspaces) for node, workspaces in readers.items() if node.kind == "data") == 3
    assert {node.kind for node in readers if node in made} == {"data", "model"}


def test_truth_is_what_the_services_say(services: Services) -> None:
    """Edge for edge, over all runs, models and deployments of the fleet."""
    fleet = Fleet(RUNS, 1)
    seen = set().union(*(seen_edges(services, fleet.workspace_id(number)) for number in range(3)))
    assert seen == set(fleet.edges(statuses=EVERY_STATUS))


def test_every_run_that_ended_has_its_event(services: Services, emulator: Emulator) -> None:
    """RunCompleted if it completed, RunStatusChanged if not; models and some deployments have theirs."""
    plans = list(Fleet(RUNS, 1).plans())
    events = [event for _, body in emulator.control.events() for event in body]
    kinds = Counter(event["eventType"].rpartition(".")[2] for event in events)
    unfinished = [plan for plan in plans if plan.status != COMPLETED]
    steps = [step for plan in plans if plan.steps for step in plan.executed]
    failed_steps = [plan for plan in unfinished if plan.steps]
    assert kinds == {
        "RunCompleted": len(plans) + len(steps) - len(unfinished) - len(failed_steps),
        "RunStatusChanged": len(unfinished) + len(failed_steps),
        "ModelRegistered": sum(plan.has_model for plan in plans),
        "ModelDeployed": sum(plan.announced for plan in plans),
    }
    assert len({event["id"] for event in events}) == len(events)
    for event in events[::7]:
        if "runId" in event["data"]:
            record = services.get(f"/history/v1.0{event['topic']}/runs/{event['data']['runId']}")
            assert record["status"] == event["data"].get("runStatus", COMPLETED)
            assert record["runType"] == event["data"]["runType"]
            assert record["experimentId"] == event["data"]["experimentId"]


def test_events_can_be_taken_in_parts(emulator: Emulator) -> None:
    """The parts together are the whole, and a part past the end is empty."""
    emulator.control.use("fleet", runs=20)
    whole = emulator.control.events()
    assert emulator.control.events(0, 7) + emulator.control.events(7) == whole
    assert len(emulator.control.events(3, 5)) == 5
    assert emulator.control.events(len(whole), 5) == []
    assert len(FleetEvents(Fleet(20))) == len(whole)
    with pytest.raises(ValueError, match="negative"):
        emulator.control.events(-1)


def test_jobs_are_listed_newest_first_with_those_added_later(services: Services, emulator: Emulator) -> None:
    """Jobs that a test adds come where their time puts them."""
    added = {"first": {"start": "2025-01-01T00:00:00Z"}, "between": {"start": "2026-01-01T01:00:30Z"}, "last": {}}
    emulator.control.add_to_azure_ml({"workspaces": {"ws-fleet-2": {"runs": added}}})
    jobs = services.every(f"{Fleet(RUNS).workspace_id(1)}/jobs")
    times = [job["systemData"]["createdAt"] for job in jobs]
    assert times == sorted(times, reverse=True)
    listed = [job["name"] for job in jobs]
    assert len(set(listed)) == len(listed) == RUNS // 3 + 3
    assert (listed[0], listed[-1]) == ("last", "first")
    assert 0 < listed.index("between") < len(listed) - 1


def test_jobs_of_the_fleet_can_be_archived_and_scripted(services: Services, emulator: Emulator) -> None:
    """Like those of any scenario."""
    workspace = Fleet(RUNS).workspace_id(0)
    emulator.control.archive("jobs", "fleet-000003", workspace="ws-fleet-1")
    archived = services.every(f"{workspace}/jobs", listViewType="ArchivedOnly")
    assert [job["name"] for job in archived] == ["fleet-000003"]
    emulator.control.transitions("fleet-000006", ["Running", "Completed"])
    path = f"/history/v1.0{workspace}/runs/fleet-000006"
    assert [services.get(path)["status"] for _ in range(2)] == ["Running", "Completed"]


def test_mlflow_finds_the_family_of_a_root_run(services: Services) -> None:
    """The pipeline and its steps, and no other run."""
    fleet = Fleet(RUNS, 1)
    root = next(plan for plan in fleet.plans() if plan.steps and plan.status == COMPLETED)
    workspace = fleet.workspace_id(root.workspace)
    body = {
        "experiment_ids": [fleet.experiment(root)[1]],
        "filter": f"tags.`mlflow.rootRunId` = '{root.root_id}'",
    }
    found = services.post(f"/mlflow/v2.0{workspace}/api/2.0/mlflow/runs/search", body)["runs"]
    assert {run["info"]["run_id"] for run in found} == {root.root_id, *root.executed}


@pytest.mark.parametrize(
    "run_id",
    ["fleet-000150", "fleet-000001", "fleet-3", "fleet-0000003", "x-000003", "f1ee7000-0009-4000-8000-000000000003"],
)
def test_run_that_is_not_of_the_workspace_is_not_found(services: Services, run_id: str) -> None:
    """Past the end, of another workspace, or in another form."""
    workspace = Fleet(RUNS).workspace_id(0)
    assert services.status(f"{workspace}/jobs/{run_id}") == 404
    assert services.status(f"/history/v1.0{workspace}/runs/{run_id}") == 404


def test_single_shape_is_one_workspace_of_command_jobs(emulator: Emulator) -> None:
    """With the same kinds of inputs, ends and models."""
    emulator.control.use("fleet", runs=30, shape=SINGLE)
    state = emulator.control.state()["azure_ml"]
    assert list(state["workspaces"]) == ["ws-fleet-1"]
    assert {plan.steps for plan in Fleet(30, 0, SINGLE).plans()} == {0}
    kinds = {
        event["data"]["runType"] for _, body in emulator.control.events() for event in body if "runId" in str(body)
    }
    assert kinds == {"azureml.scriptrun"}


def test_hundred_thousand_runs_start_light() -> None:
    """Runs are worked out when they are asked for, in a process of well under 500 MB."""
    command = [sys.executable, "-c", START_AND_LOOK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)  # noqa: S603
    newest, oldest, output, megabytes, quick = done.stdout.split()
    assert (newest, oldest) == ("fleet-099999", "fleet-000000")
    assert output == "azureml_fleet-054321_output_data_out/versions/1"
    assert int(megabytes) < 300
    assert quick == "True"


def test_fleet_of_the_command_line_has_its_number_of_runs() -> None:
    """As ``fleet:40``; without a number it has a hundred."""
    assert Scenario.parse("fleet:40").fleet == Fleet(40, 0, MIXED)
    assert Scenario.parse("fleet").fleet.runs == 100


@pytest.mark.parametrize(
    "options",
    [
        {"name": "fleet", "runs": 0},
        {"name": "fleet", "runs": 1_000_000},
        {"name": "fleet", "shape": "round"},
        {"name": "fleet", "steps": 3},
        {"name": "chain", "runs": 3},
        {"name": "empty", "seed": 3},
    ],
)
def test_fleet_that_makes_no_sense_is_refused(emulator: Emulator, options: dict[str, Any]) -> None:
    """By the scenario and by the control plane."""
    with pytest.raises(UnknownScenarioError):
        Scenario(**options).checked()
    with pytest.raises(ValueError, match=r"\w"):
        emulator.control.use(**options)
    assert emulator.control.scenario() == "empty"


def test_documents_of_the_fleet_are_plain_json() -> None:
    """Like those that are read from files."""
    seed = load(Scenario("fleet", runs=30))
    assert json.loads(json.dumps([seed.azure_ml, seed.purview])) == [seed.azure_ml, seed.purview]
