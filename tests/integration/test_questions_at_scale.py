"""The questions on a catalog of 50,000 entities: answers equal a plain graph search, in few requests."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import networkx as nx
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from emulator.server import Emulator
from questions.audit import gather
from questions.diff import diff
from questions.impact import KINDS, find_impact
from questions.origin import find_origin
from questions.packages import SERVES, TRAINED, find_uses
from questions.walk import Walker
from shared.purview.reader import INPUT, OUTPUT
from tests.harness.app import App
from tests.worlds.estate import LAKE, WS, Estate, generate, load

MODEL, ENDPOINT, PREDICTION, REPORT = KINDS
PROJECTS = 5_600
EXTRA = 10
"""Requests that are allowed besides one for fifty entities."""


@dataclass
class Company:
    """The estate in a catalog."""

    estate: Estate
    app: App
    guids: dict[str, str]

    def walker(self) -> Walker:
        """Return one that has read nothing, and count requests from now on."""
        self.app.emulator.control.clear_requests()
        return Walker(self.app.services.lineage)

    def requests(self) -> int:
        return len(self.app.emulator.control.requests("purview"))

    def check_costs(self, visited: int) -> None:
        assert self.requests() <= visited / 50 + EXTRA

    def below(self, name: str) -> set[str]:
        return nx.descendants(self.estate.graph, name)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """Everything written once; the tests only read."""
    estate = generate(PROJECTS, seed=2026)
    with Emulator(scenario="empty") as emulator:
        app = App.on(emulator, tmp_path_factory.mktemp("state") / "lineage.sqlite")
        guids = load(estate, app.services)
        assert len(guids) >= 50_000
        yield Company(estate, app, guids)


STARTS = [f"{LAKE}/hub/customers", f"{LAKE}/chain/000", *(f"{LAKE}/raw/{number:04}.csv" for number in (0, 17, 399))]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("start", STARTS)
def test_impact_equals_a_plain_search(company: Company, start: str) -> None:
    """Of a file that 1,500 runs read, of one above 150 hops, and of ordinary ones; by kind, and what is live."""
    estate = company.estate
    answer = find_impact(company.walker(), company.guids[start])
    company.check_costs(answer.visited)
    below = company.below(start)
    found = {(each.kind, str(each.asset.qualified_name)) for each in answer.reached}
    wanted = {
        MODEL: below & estate.of_type("custom_ml_model"),
        ENDPOINT: below & estate.of_type("custom_ml_model_endpoint"),
        PREDICTION: below & estate.predictions.keys(),
        REPORT: below & estate.of_type("powerbi_report"),
    }
    assert found == {(kind, name) for kind, names in wanted.items() for name in names}
    assert min(len(names) for names in wanted.values()) > 0
    served = {each for each, model in estate.predictions.items() if model in estate.live}
    reports = {each for prediction in served & below for each in company.below(prediction)} & wanted[REPORT]
    live = {str(each.asset.qualified_name) for each in answer.reached if each.live}
    assert live == ((wanted[MODEL] | wanted[ENDPOINT]) & estate.live) | (served & below) | reports


def test_every_path_is_one_of_the_catalog_and_none_is_shorter(company: Company) -> None:
    """From the file to the asset, along edges that are there."""
    start = f"{LAKE}/raw/0017.csv"
    lengths = nx.single_source_shortest_path_length(company.estate.graph, start)
    for each in find_impact(company.walker(), company.guids[start]).reached:
        names = [str(asset.qualified_name) for asset in each.path]
        assert names[0] == start
        assert all(company.estate.graph.has_edge(*edge) for edge in pairwise(names))
        assert len(names) - 1 == lengths[names[-1]]


def some(names: set[str], count: int) -> list[str]:
    return random.Random(1).sample(sorted(names), count)  # noqa: S311 - a test, not a secret


@pytest.mark.parametrize("type_name", ["custom_ml_model", "custom_ml_model_endpoint", "powerbi_report"])
def test_origin_equals_a_plain_search(company: Company, type_name: str) -> None:
    """Of five of a type: source data, runs, environments with their packages."""
    estate, graph = company.estate, company.estate.graph
    runs, environments = estate.of_type("custom_ml_experiment_step"), estate.of_type("custom_ml_packages")
    sources = {name for name in estate.of_type("azure_datalake_gen2_path") if not graph.in_degree(name)}
    for name in some(estate.of_type(type_name), 5):
        answer = find_origin(company.walker(), company.guids[name])
        company.check_costs(answer.visited)
        above = nx.ancestors(graph, name)
        assert {str(each.qualified_name) for each in answer.sources} == above & sources
        assert {str(each.qualified_name) for each in answer.runs} == above & runs
        inside = {
            str(environment.qualified_name): {str(each.qualified_name) for each in packages}
            for environment, packages in answer.packages
        }
        assert inside.keys() == above & environments
        assert all(
            packages == {each for each, env in estate.environment_of.items() if env == environment}
            for environment, packages in inside.items()
        )


@pytest.mark.timeout(240)
def test_uses_of_a_package_equal_a_plain_search(company: Company) -> None:
    """Every model and endpoint behind an environment that pins such a version, and what runs in one."""
    estate, wanted = company.estate, Requirement("scikit-learn<1.5")
    packages = [company.guids[name] for name, (package, _) in estate.packages.items() if package == wanted.name]
    deployments = [company.guids[name] for name in estate.serves_with]
    walker = company.walker()
    uses = find_uses(walker, wanted, packages, deployments)
    company.check_costs(walker.visited)
    old = {
        estate.environment_of[name]
        for name, (package, version) in estate.packages.items()
        if package == wanted.name and SpecifierSet("<1.5").contains(version)
    }
    made = estate.of_type("custom_ml_model", "custom_ml_model_endpoint")
    truth = {(TRAINED, each, environment) for environment in old for each in company.below(environment) & made}
    for deployment, environment in estate.serves_with.items():
        if environment in old:
            ends = {*estate.graph.predecessors(deployment), *estate.graph.successors(deployment)}
            truth |= {(SERVES, each, environment) for each in ends}
    assert {(use.how, str(use.asset.qualified_name), str(use.environment.qualified_name)) for use in uses} == truth
    assert {str(use.asset.qualified_name) for use in uses if use.live} == {each for _, each, _ in truth} & estate.live


def test_difference_of_two_models_equals_that_of_their_plain_ancestors(company: Company) -> None:
    """Source data, the setting, the packages and the metric of each."""
    estate, graph = company.estate, company.estate.graph
    one, other = f"{WS}/models/m00003/versions/1", f"{WS}/models/m00777/versions/1"
    walker = company.walker()
    changes = {
        (each.section, each.name): (each.before, each.after)
        for each in diff(walker, company.guids[one], company.guids[other])
    }
    company.check_costs(walker.visited)
    above = [
        {name for name in nx.ancestors(graph, model) if not graph.in_degree(name) and "/lake/" in name}
        for model in (one, other)
    ]
    read = {
        name: ("read" if name in above[0] else "", "read" if name in above[1] else "") for name in above[0] ^ above[1]
    }
    assert {name: pair for (section, name), pair in changes.items() if section == "data"} == read
    assert changes["settings", "C"] == ("3", "777")
    assert changes["metrics", "AUC"] == ("0.3", "0.777")
    pinned = [
        {
            package: version
            for name, (package, version) in estate.packages.items()
            if estate.environment_of[name] in graph.predecessors(f"{WS}/runs/p{number}-train")
        }
        for number in ("00003", "00777")
    ]
    expected = {name: (pinned[0][name], pinned[1][name]) for name in pinned[0] if pinned[0][name] != pinned[1][name]}
    own = {name: pair for (section, name), pair in changes.items() if section == "packages" and ": " not in name}
    assert own == expected


def test_a_bundle_holds_all_lineage_of_a_model(company: Company) -> None:
    """Everything up- and downstream, and every edge between."""
    estate, graph = company.estate, company.estate.graph
    name = next(each for each in sorted(estate.live) if "/models/" in each)
    walker = company.walker()
    files = gather(walker, company.guids[name], company.app.services.ledger)
    company.check_costs(walker.visited)
    above, below = nx.ancestors(graph, name) | {name}, company.below(name) | {name}
    assert {each["qualifiedName"] for each in files["lineage.json"]["nodes"]} == above | below
    edges = {*graph.subgraph(above).edges, *graph.subgraph(below).edges}
    assert {(each["from"], each["to"]) for each in files["lineage.json"]["edges"]} == edges


@pytest.mark.timeout(240)
@pytest.mark.parametrize("direction", [INPUT, OUTPUT])
def test_walks_from_many_starts_equal_a_plain_search(company: Company, direction: str) -> None:
    """Fifty assets of any kind at once, as many requests as for one."""
    starts = some(set(company.estate.graph), 50)
    walker = company.walker()
    graph = walker.walk([company.guids[name] for name in starts], direction)
    company.check_costs(walker.visited)
    truth = company.estate.graph if direction == OUTPUT else company.estate.graph.reverse(copy=False)
    reached = set(starts).union(*(nx.descendants(truth, name) for name in starts))
    assert {str(walker.asset(guid).qualified_name) for guid in graph} == reached
