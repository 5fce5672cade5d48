"""The services of one workspace over REST: its record, run history, MLflow, data, models and the files runs logged."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from shared.clouds import PUBLIC
from shared.errors import RecordNotFoundError, RequestRefusedError, ServiceUnavailableError, UnreadableAnswerError
from shared.http.rest import Json, RestClient, link_at, readable_items
from shared.model import Workspace, WorkspaceId
from shared.validation import Shape, checked

BATCH = 200
"""Runs or assets in one request. The services' own limits are not documented; a refused batch is halved."""
LARGEST_FILE = 1024 * 1024
"""Bytes of a file that is read; a column mapping has a few thousand."""
_PAGE = 500
_NEXT_CHILDREN = "$continuationtoken"
"""Of a list of runs (azure-ai-ml 1.35.2, `_restclient/runhistory`); lists of artifacts call theirs differently."""
_ARM_VERSION = "2024-10-01-preview"
_JOB_VERSION = "2024-01-01-preview"

METADATA: dict[str, Shape] = {
    "runId!": str,
    "rootRunId": str,
    "parentRunId": str,
    "experimentId!": str,
    "status": str,
    "properties": dict,
    "tags": dict,
    "inputs": dict,
    "outputs": dict,
    "inputDatasets": list,
    "outputDatasets": list,
}
"""What is in the last four is checked where it is read: one that is odd costs the run that input or output alone."""
_RUN_DATA: Shape = {
    "runMetadata!": METADATA,
    "runDefinition": {
        "arguments": list,
        "data": dict,
        "inputAssets": dict,
        "outputData": dict,
        "dataReferences": dict,
    },
}
"""What lineage depends on; all else of a record is checked where it is read, and costs itself alone."""


@dataclass(frozen=True, slots=True)
class WorkspaceRecord:
    """A workspace with the address of its services."""

    workspace: Workspace
    guid: str
    api_url: str
    hierarchical_accounts: frozenset[str]
    """The default storage account, if it has a hierarchical namespace."""
    arm_endpoint: str = ""

    @property
    def hosts(self) -> frozenset[str]:
        """
        The names of the host of its services: that of the region, and with a private link one of its own.

        >>> workspace = Workspace(WorkspaceId("s", "g", "w"), "w", "eastus2")
        >>> sorted(WorkspaceRecord(workspace, "GUID", "https://eastus2.api.azureml.ms", frozenset()).hosts)
        ['eastus2.api.azureml.ms', 'guid.workspace.eastus2.api.azureml.ms']
        """
        host = (urlsplit(self.api_url).hostname or "").casefold()
        private = f"{self.guid}.workspace.".casefold()
        of_region = host.removeprefix(private)
        return frozenset({of_region, f"{private}{of_region}"})


def get_workspace(
    rest: RestClient, arm_endpoint: str, workspace: WorkspaceId, *, studio: str = PUBLIC.studio
) -> WorkspaceRecord:
    """
    Read the workspace and ask its discovery address for the host of its services (2 requests).

    The host is discovered, not built from the region: a private-link workspace has one of its own.

    Raises:
        ServiceUnavailableError: also if the answer is none of Azure Resource Manager.
    """
    body = ask_arm(rest, f"{arm_endpoint}{workspace.arm_id}", version=_ARM_VERSION)
    check_answer(body, {"name!": str, "properties!": {"discoveryUrl!": str}})
    properties = body["properties"]
    discovery = str(properties["discoveryUrl"])
    found = rest.get(discovery, anonymous=True)
    if not isinstance(found.get("api"), str):
        raise ServiceUnavailableError(f"{discovery}: the answer does not say where the workspace's services are")
    api = str(found["api"])
    if urlsplit(api).scheme != "https":
        raise RequestRefusedError(f"{discovery} names as api {api}, which is not https", status=0)
    account = str(properties.get("storageAccount") or "").rpartition("/")[2]
    return WorkspaceRecord(
        workspace=Workspace(
            workspace,
            name=str(body["name"]),
            region=str(body.get("location") or ""),
            studio=studio,
        ),
        guid=str(properties["workspaceId"]),
        api_url=api,
        hierarchical_accounts=frozenset({account} if properties.get("storageHnsEnabled") else ()),
        arm_endpoint=arm_endpoint,
    )


def ask_arm(rest: RestClient, url: str, *, version: str) -> Json:
    """
    Read a resource or a list of them; an answer that is not in the words of Azure Resource Manager is no answer.

    Each of its errors has {error: {code, message}} (Azure/azure-resource-manager-rpc, common-api-details.md), a
    resource has its own path as `id`, a list has in `value` what is at its path. Another host that the setting names by
    mistake must not make a workspace seem gone.
    """
    advice = "Is LINEAGE_ARM_ENDPOINT the address of Azure Resource Manager?"
    path = unquote(urlsplit(url).path).casefold()
    try:
        body = rest.get(url, params={"api-version": version})
    except (RecordNotFoundError, RequestRefusedError) as error:
        said = getattr(error.__cause__, "error", None)  # azure-core's, of the envelope
        code = str(getattr(said, "code", None) or "")
        if code and not code.isdecimal():
            raise
        raise ServiceUnavailableError(f"{error} {advice}") from error
    match body:
        case {"id": str(arm_id)} if arm_id.casefold().rstrip("/") == path:
            return body
        case {"value": list(items)} if _is_of_a_list(path) and all(_is_below(path, item) for item in items if item):
            return body
    raise ServiceUnavailableError(f"{url}: the answer is neither this resource nor a list of what is there. {advice}")


def _is_of_a_list(path: str) -> bool:
    """Whether a path ends with a type, and not with the name of a resource."""
    return path.count("/") % 2 == 1


def _is_below(path: str, item: object) -> bool:
    """Whether an item of a list is at its path; that of a subscription has what is in its groups."""
    scope, _, kind = path.partition("/providers/")
    arm_id = str(item.get("id", "")).casefold() if isinstance(item, dict) else ""
    return arm_id.startswith(f"{scope}/") and f"/providers/{kind}/" in arm_id


def list_guids(rest: RestClient, arm_endpoint: str, scope: str) -> dict[str, WorkspaceId]:
    """
    Return the workspaces of a subscription or resource group, or the one that the ARM id names, by their GUIDs.

    Asset ids of run history name a workspace by its GUID, `properties.workspaceId`, in lower case here.
    """
    params = {"api-version": _ARM_VERSION}
    try:
        bodies = [rest.get(f"{arm_endpoint}{WorkspaceId.parse(scope).arm_id}", params=params)]
    except ValueError:
        path = f"{scope.rstrip('/')}/providers/Microsoft.MachineLearningServices/workspaces"
        pages = rest.get_pages(f"{arm_endpoint}{path}", params=params)
        bodies = [body for page in pages for body in readable_items(page) if body is not None]
    found = {}
    for body in bodies:
        match body:
            case {"id": str(arm_id), "properties": {"workspaceId": str(guid)}}:
                found[guid.casefold()] = WorkspaceId.parse(arm_id)
    return found


class WorkspaceApi:
    """
    The reads that azure-ai-ml's public API cannot do: inputs and outputs of any run, many runs in one request.

    Methods may raise what RestClient raises. Wire shapes: azure-rest-api-specs, RunHistory v1.0 and Artifact
    2019-08-01; of v1's data sets azureml-core 1.61, `SavedDatasetDto`.
    """

    def __init__(self, rest: RestClient, record: WorkspaceRecord) -> None:
        self._rest = rest
        self._api = record.api_url.rstrip("/")
        self._arm = record.arm_endpoint
        self._hosts = record.hosts
        self._workspace = record.workspace.id.arm_id

    def get_run(self, run_id: str) -> Json:
        """Return `{"runMetadata": …, "runDefinition": … | None}` of one run."""
        found = self._rest.post(self._url("history", "rundata"), _selection(run_id))
        check_answer(found, _RUN_DATA)
        return found

    def get_runs(self, run_ids: Sequence[str]) -> dict[str, Json]:
        """Return what get_run does for many runs; a run the service has no answer for is left out."""
        found: dict[str, Json] = {}
        for answer in _in_batches(run_ids, self._get_batch):
            check_answer(answer, {"successfulResults": dict})
            results = answer.get("successfulResults") or {}
            found.update({run_id: body for run_id, body in results.items() if body is not None})
        for run_id, body in found.items():
            check_answer(body, _RUN_DATA, at=f"successfulResults.{run_id}")
        return found

    def get_job(self, run_id: str) -> Json:
        """Return the job of a root run as Azure Resource Manager has it; of other runs it says nothing."""
        url = f"{self._arm}{self._workspace}/jobs/{quote(run_id, safe='')}"
        return self._rest.get(url, params={"api-version": _JOB_VERSION})

    def list_children(self, run_id: str) -> Iterator[Json | None]:
        """
        Yield the records of a run's direct children, all pages; their inputs and outputs are always null.

        A null on the list is None.

        Raises:
            UnreadableAnswerError: there is a next page which cannot be asked for, or which was read before.
        """
        first = self._url("history", f"runs/{quote(run_id, safe='')}/children")
        url, params, asked = first, dict[str, str](), set[str]()
        while True:
            page = self._rest.get(url, params=params)
            check_answer(page, {"value": list, "continuationToken": str, "nextLink": str})
            for child in page.get("value") or []:
                if child is not None:
                    check_answer(child, METADATA, at="value")
                yield child
            token, link = str(page.get("continuationToken") or ""), str(page.get("nextLink") or "")
            if not token and not link:
                return
            if token in asked or link in asked:
                raise UnreadableAnswerError(f"children of {run_id}: the next page is one that was read before")
            asked |= {token, link} - {""}
            if token:
                url, params = first, {_NEXT_CHILDREN: token}
            else:
                url, params = link_at(first, link, also=self._hosts), {}

    def get_experiment_name(self, experiment_id: str) -> str:
        answer = self._rest.get(self._url("history", f"experimentids/{quote(experiment_id, safe='')}"))
        check_answer(answer, {"name!": str})
        return str(answer["name"])

    def resolve_data(self, asset_ids: Sequence[str]) -> dict[str, str]:
        """Return the URI of each data asset id; an id that does not resolve is left out."""
        return self._resolve("data", "dataversion/batchGetResolvedUris", "uri", asset_ids)

    def resolve_models(self, asset_ids: Sequence[str]) -> dict[str, str]:
        """Return the path of each model asset id; an id that does not resolve is left out."""
        return self._resolve("modelregistry", "models/batchGetResolvedUris", "path", asset_ids)

    def get_saved_dataset(self, saved_id: str) -> Json:
        """Return a data set of v1 by its saved id."""
        return self._rest.get(self._url("dataset", f"saveddatasets/{quote(saved_id, safe='')}"))

    def get_file(self, container: str, path: str) -> bytes:
        """
        Return what is in a file that a run logged. Needs `metadata/artifacts/read`, a part of the reader role.

        Args:
            container: the run's `dataContainerId`.
            path: as it was logged, `lineage/column_mapping.json`.

        Raises:
            RecordNotFoundError: the run logged no such file.
            UnreadableAnswerError: it is larger than LARGEST_FILE.
        """
        url = self._url("artifact", f"artifacts/ExperimentRun/{quote(container, safe='')}/content", version="v2.0")
        return self._rest.get_content(url, params={"path": quote(path, safe="")}, largest=LARGEST_FILE)

    def get_mlflow_run(self, run_id: str) -> Json:
        """Return MLflow's view of one run: last metrics and parameters. What is in it is checked where it is read."""
        url = self._url("mlflow", "api/2.0/mlflow/runs/get", version="v2.0")
        answer = self._rest.get(url, params={"run_id": run_id})
        check_answer(answer, {"run!": dict})
        return dict(answer["run"])

    def search_mlflow_runs(self, experiment_id: str, root_run_id: str) -> Iterator[tuple[str, Json]]:
        """Yield MLflow's view of every run below a root, by the id of the run, which it may lack the metrics of."""
        url = self._url("mlflow", "api/2.0/mlflow/runs/search", version="v2.0")
        body: Json = {
            "experiment_ids": [experiment_id],
            "filter": f"tags.`mlflow.rootRunId` = '{root_run_id}'",
            "max_results": _PAGE,
        }
        while True:
            page = self._rest.post(url, body)
            check_answer(page, {"runs": list, "next_page_token": str})
            for run in page.get("runs") or []:
                match run:
                    case {"info": {"run_id": str(run_id)}}:
                        yield run_id, run
            token = page.get("next_page_token")
            if not token:
                return
            if token == body.get("page_token"):
                raise UnreadableAnswerError(f"runs below {root_run_id}: next_page_token: leads to the page it is on")
            body = {**body, "page_token": token}

    def _resolve(self, service: str, operation: str, member: str, asset_ids: Sequence[str]) -> dict[str, str]:
        url = self._url(service, operation)
        found: dict[str, str] = {}
        for answer in _in_batches(asset_ids, lambda ids: self._rest.post(url, {"values": list(ids)})):
            check_answer(answer, {"values": dict})
            for asset_id, value in (answer.get("values") or {}).items():
                uri = value.get(member) if isinstance(value, Mapping) else None
                if isinstance(uri, str) and uri:
                    found[asset_id] = uri
        return found

    def _get_batch(self, run_ids: Sequence[str]) -> Json:
        requests = {run_id: _selection(run_id) for run_id in run_ids}
        return self._rest.post(self._url("history", "batchrundata"), {"requests": requests})

    def _url(self, service: str, operation: str, *, version: str = "v1.0") -> str:
        return f"{self._api}/{service}/{version}{self._workspace}/{operation}"


def check_answer(body: object, shape: Shape, *, at: str = "") -> None:
    """
    Check that an answer has the shape we read it by.

    Raises:
        UnreadableAnswerError: names the first path at which something else is.

    >>> check_answer({"runId": 5}, METADATA, at="runMetadata")
    Traceback (most recent call last):
    shared.errors.UnreadableAnswerError: runMetadata.runId: is a number, not text
    """
    try:
        checked(body, shape, at, numbered=False)
    except ValueError as error:
        raise UnreadableAnswerError(str(error)) from error


def _in_batches(ids: Sequence[str], ask: Callable[[Sequence[str]], Json]) -> Iterator[Json]:
    for start in range(0, len(ids), BATCH):
        yield from _ask_or_halve(ids[start : start + BATCH], ask)


def _ask_or_halve(ids: Sequence[str], ask: Callable[[Sequence[str]], Json]) -> Iterator[Json]:
    try:
        answer = ask(ids)
    except (RequestRefusedError, RecordNotFoundError):
        if len(ids) == 1:
            return  # this one has no answer; the others may have one
        middle = len(ids) // 2
        yield from _ask_or_halve(ids[:middle], ask)
        yield from _ask_or_halve(ids[middle:], ask)
    else:
        yield answer


def _selection(run_id: str) -> Json:
    return {"runId": run_id, "selectRunMetadata": True, "selectRunDefinition": True, "selectJobSpecification": False}
