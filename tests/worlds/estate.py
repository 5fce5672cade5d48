"""A made-up catalog of a large company, with the plain graph of it as the truth that answers are compared with."""

import random
from dataclasses import dataclass, field
from typing import Any

import networkx as nx

from shared.bootstrap import Services

WS = "azureml://subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/rg/workspaces/ws"
LAKE = "https://contosolake.dfs.core.windows.net/lake"
BI = "https://app.powerbi.com/groups/10000000-0000-0000-0000-000000000000"
EXPERIMENT = f"{WS}/experiments/all"
ENVIRONMENTS, SOURCES = 120, 400
READERS_OF_HUB = 1_500
"""More than one request for lineage gives of one entity."""
CHAIN = 150
"""More hops than one request for lineage gives."""
BATCH = 1_000
"""As many entities to a request as the emulator takes."""


@dataclass
class Estate:
    """
    All entities, and what is true of them.

    Attributes:
        entities: Atlas entities in an order in which each refers to earlier ones only.
        graph: qualifiedNames; data flows along the edges.
        live: served model versions and the endpoints that serve them.
        predictions: prediction → the model version it was made with.
        packages: package → its name and version.
        environment_of: package → environment.
        serves_with: deployment → environment.
    """

    entities: list[dict[str, Any]] = field(default_factory=list)
    graph: "nx.DiGraph[str]" = field(default_factory=nx.DiGraph)
    types: dict[str, str] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)
    predictions: dict[str, str] = field(default_factory=dict)
    packages: dict[str, tuple[str, str]] = field(default_factory=dict)
    environment_of: dict[str, str] = field(default_factory=dict)
    serves_with: dict[str, str] = field(default_factory=dict)

    def add(self, type_name: str, name: str, **attributes: str) -> str:
        """Add data."""
        self.put(type_name, name, attributes)
        self.graph.add_node(name)
        return name

    def run(self, type_name: str, name: str, inputs: list[str], outputs: list[str], **attributes: str) -> str:
        """Add a process."""
        ends = {"inputs": [self.ref(each) for each in inputs], "outputs": [self.ref(each) for each in outputs]}
        parent = {"experiment": self.ref(EXPERIMENT)} if type_name == "custom_ml_experiment_step" else {}
        self.put(type_name, name, {**attributes, **ends}, relationshipAttributes=parent)
        self.graph.add_edges_from((each, name) for each in inputs)
        self.graph.add_edges_from((name, each) for each in outputs)
        return name

    def of_type(self, *types: str) -> set[str]:
        return {name for name in self.graph if self.types[name] in types}

    def put(self, type_name: str, name: str, attributes: dict[str, Any], **more: Any) -> None:
        self.types[name] = type_name
        own = {"qualifiedName": name, "name": name.removeprefix(f"{WS}/").replace("/versions/", ":"), **attributes}
        self.entities.append({"typeName": type_name, "guid": f"-{len(self.entities) + 1}", "attributes": own, **more})

    def ref(self, name: str) -> dict[str, Any]:
        return {"typeName": self.types[name], "uniqueAttributes": {"qualifiedName": name}}


def generate(projects: int, *, seed: int) -> Estate:
    """Describe an estate; each project has about twelve entities, and there are some 2,500 besides."""
    dice, estate = random.Random(seed), Estate()  # noqa: S311 - a test, not a secret
    estate.put("custom_ml_workspace", WS, {})
    estate.put("custom_ml_experiment", EXPERIMENT, {}, relationshipAttributes={"workspace": estate.ref(WS)})
    sources = [estate.add("azure_datalake_gen2_path", f"{LAKE}/raw/{number:04}.csv") for number in range(SOURCES)]
    environments = [_environment(estate, dice, number) for number in range(ENVIRONMENTS)]
    hub = estate.add("azure_datalake_gen2_path", f"{LAKE}/hub/customers")
    link = hub
    for number in range(CHAIN):
        link, before = estate.add("azure_datalake_gen2_path", f"{LAKE}/chain/{number:03}"), link
        estate.run("custom_ml_experiment_step", f"{WS}/runs/chain{number:03}", [before], [link])
    shared = [*sources, link]
    for number in range(projects):
        inputs = dice.sample(shared, k=dice.randint(1, 3)) + ([hub] if number < READERS_OF_HUB else [])
        made = _project(estate, dice, number, inputs, dice.choice(environments))
        if dice.random() < 0.05:
            shared.append(made)
    return estate


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


def _environment(estate: Estate, dice: random.Random, number: int) -> str:
    name = estate.add("custom_ml_packages", f"{WS}/environments/env/versions/{number}", version=str(number))
    for package in ("scikit-learn", "pandas", "mlflow"):
        version = f"{dice.randint(0, 3)}.{dice.randint(0, 9)}.0"
        own = f"{name}#{package}"
        estate.put(
            "custom_ml_package",
            own,
            {"version": version, "name": package},
            relationshipAttributes={"packages": estate.ref(name)},
        )
        estate.packages[own], estate.environment_of[own] = (package, version), name
    return name


def _project(estate: Estate, dice: random.Random, number: int, inputs: list[str], environment: str) -> str:
    run = f"{WS}/runs/p{number:05}"
    prepared = estate.add("azure_datalake_gen2_path", f"{LAKE}/prepared/{number:05}")
    estate.run("custom_ml_experiment_step", f"{run}-prepare", inputs, [prepared], status="Completed")
    config = estate.add("custom_ml_exp_config", f"{run}-train/config", parameters=f'{{"C": {number}}}')
    metrics = estate.add("custom_ml_model_metrics", f"{run}-train/metrics", metrics=f'{{"AUC": 0.{number}}}')
    model = estate.add("custom_ml_model", f"{WS}/models/m{number:05}/versions/1", version="1")
    estate.run("custom_ml_experiment_step", f"{run}-train", [prepared, config, environment], [model, metrics])
    made = prepared
    if (deployed := dice.random()) < 0.4:
        endpoint = estate.add("custom_ml_model_endpoint", f"{WS}/endpoints/e{number:05}")
        state = "Succeeded" if deployed < 0.3 else dice.choice(["Failed", "Deleted"])
        where = environment.replace(WS, WS_ARM)
        deployment = estate.run(
            "custom_ml_deployment", f"{endpoint}/deployments/blue", [model], [endpoint], state=state, environment=where
        )
        estate.serves_with[deployment] = environment
        if state == "Succeeded":
            estate.live |= {model, endpoint}
    if dice.random() < 0.5:
        made = estate.add("azure_datalake_gen2_path", f"{LAKE}/predicted/{number:05}")
        estate.run("custom_ml_experiment_step", f"{run}-score", [prepared, model], [made])
        estate.predictions[made] = model
        if dice.random() < 0.5:
            dataset = estate.add("powerbi_dataset", f"{BI}/datasets/{number:05}")
            report = estate.add("powerbi_report", f"{BI}/reports/{number:05}")
            estate.run("ProcessWithColumnMapping", f"{made}#powerbi/datasets/{number}", [made], [dataset])
            estate.run("ProcessWithColumnMapping", f"{made}#powerbi/reports/{number}", [dataset], [report])
    return made


WS_ARM = WS.replace("azureml:/", "").replace("/workspaces/", "/providers/Microsoft.MachineLearningServices/workspaces/")


def _pointed(value: Any, within: dict[str, str]) -> Any:
    """Point by guid at what is in the same request: Atlas finds by name only what is there already."""
    if isinstance(value, list):
        return [_pointed(item, within) for item in value]
    if not isinstance(value, dict):
        return value
    if (unique := value.get("uniqueAttributes")) and unique["qualifiedName"] in within:
        return {"typeName": value["typeName"], "guid": within[unique["qualifiedName"]]}
    return {name: _pointed(item, within) for name, item in value.items()}
