"""What each path of Azure ML may be asked with: query parameters and members of bodies, from the public contracts."""

from collections.abc import Mapping
from functools import wraps

from aiohttp import web

from emulator.azure_ml.errors import arm_error, bad_request
from emulator.azure_ml.requests import Handler, json_object

_VERSIONS = frozenset({"$orderBy", "$top", "$skip", "listViewType"})
_CONTAINERS = frozenset({"$skip", "listViewType"})
_DEPLOYMENTS = frozenset({"$orderBy", "$top", "$skip"})

ARM: Mapping[str, frozenset[str]] = {
    "/datastores": frozenset({"$skip", "count", "isDefault", "names", "searchText", "orderBy", "orderByAsc"}),
    "/jobs": frozenset({"$skip", "jobType", "tag", "listViewType", "properties"}),
    "/data": _CONTAINERS,
    "/environments": _CONTAINERS,
    "/components": _CONTAINERS,
    "/models": _CONTAINERS | {"count"},
    "/data/{name}/versions": _VERSIONS | {"$tags"},
    "/environments/{name}/versions": _VERSIONS,
    "/components/{name}/versions": _VERSIONS,
    "/models/{name}/versions": _VERSIONS | {"version", "description", "offset", "tags", "properties", "feed"},
    "/onlineEndpoints": frozenset({"name", "count", "computeType", "$skip", "tags", "properties", "orderBy"}),
    "/onlineEndpoints/{name}/deployments": _DEPLOYMENTS,
    "/batchEndpoints": frozenset({"count", "$skip"}),
    "/batchEndpoints/{name}/deployments": _DEPLOYMENTS,
    "/serverlessEndpoints": frozenset({"$skip"}),
}
"""
By path below a workspace, besides ``api-version``; a path that is not here takes nothing else.

azure-rest-api-specs, machinelearningservices, resource-manager 2024-10-01; the same as the clients that azure-ai-ml
1.35.2 has in ``_restclient/arm_ml_service``. Names are compared without case, as ARM does.
"""

WORKSPACES = frozenset({"$skip", "kind", "filter"})
"""Of the list of workspaces, ``Workspaces_ListBySubscription``; the same contract."""

HISTORY: Mapping[str, frozenset[str]] = {
    "/runs/{run}/children": frozenset({"$filter", "$continuationtoken", "$orderby", "$sortorder", "$top", "$count"})
}
"""
By path below a workspace, besides ``api-version``, of run history, data and model registry.

azure-ai-ml 1.35.2, ``_restclient/runhistory/operations/_operations.py``, ``build_runs_get_child_request``: the token is
``$continuationtoken``. The bare ``continuationToken`` is a parameter of artifact lists and of no list of runs.
"""

MLFLOW: Mapping[str, frozenset[str]] = {
    "/runs/get": frozenset({"run_id", "run_uuid"}),
    "/metrics/get-history": frozenset({"run_id", "run_uuid", "metric_key", "page_token", "max_results"}),
    "/experiments/get": frozenset({"experiment_id"}),
    "/model-versions/get": frozenset({"name", "version"}),
}
"""By path of MLflow; mlflow's ``protos/service.proto`` and ``protos/model_registry.proto``."""

ARTIFACTS = frozenset({"path", "storageLocation"})
"""Of the content of an artifact; azure-rest-api-specs, Artifact 2019-08-01."""

_RUN_DATA = frozenset({"runId", "selectRunMetadata", "selectRunDefinition", "selectJobSpecification"})
BODIES: Mapping[str, frozenset[str]] = {
    "/rundata": _RUN_DATA,
    "/batchrundata": frozenset({"requests"}),
    "/experimentids/{experiment}/runs:query": frozenset({"filter", "continuationToken", "orderBy", "top"}),
    "/dataversion/batchGetResolvedUris": frozenset({"values"}),
    "/models/batchGetResolvedUris": frozenset({"values"}),
    "/models/list": frozenset(
        {
            *("name", "tag", "version", "framework", "description", "count", "offset", "skipToken", "tags"),
            *("properties", "runId", "datasetId", "orderBy", "latestVersionOnly", "modifiedAfter", "modifiedBefore"),
            "listViewType",
        }
    ),
    "/runs/search": frozenset({"experiment_ids", "filter", "run_view_type", "max_results", "order_by", "page_token"}),
    "/experiments/search": frozenset({"max_results", "page_token", "filter", "order_by", "view_type"}),
}
"""Members of what is posted to a path; the models of the clients named above, and mlflow's ``service.proto``."""


def asked_by_contract(handler: Handler, path: str, known: frozenset[str]) -> Handler:
    """Refuse what the contract of a path does not know: a client's misspelt parameter has no effect in Azure."""
    parameters = {name.casefold() for name in known} | {"api-version"}

    @wraps(handler)
    async def answer(request: web.Request) -> web.StreamResponse:
        for name in request.query:
            if name.casefold() not in parameters:
                raise arm_error(400, "UnknownParameter", f"{request.method} {path} has no query parameter {name!r}.")
        if path in BODIES:
            body = await json_object(request)
            of_runs = body.get("requests") if path == "/batchrundata" else None
            for members, allowed in ((body, BODIES[path]), *_each(of_runs)):
                if unknown := sorted(members.keys() - allowed):
                    raise bad_request(f"{request.method} {path} has no member {unknown[0]!r}.")
        return await handler(request)

    return answer


def _each(of_runs: object) -> list[tuple[dict[str, object], frozenset[str]]]:
    values = of_runs.values() if isinstance(of_runs, dict) else ()
    return [(each, _RUN_DATA) for each in values if isinstance(each, dict)]
