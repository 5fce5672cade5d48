"""The path of v1's data set service: where the data sets lie that runs name by saved ids."""

import json

from aiohttp import web

from emulator.azure_ml.errors import not_found
from emulator.azure_ml.requests import Current, Handler, workspace_of


class DatasetResponses:
    """Handlers of ``/dataset/v1.0/{workspace}``."""

    def __init__(self, current: Current) -> None:
        self._current = current

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Give method, path template and handler."""
        return [("GET", "/saveddatasets/{id}", self.get_saved)]

    async def get_saved(self, request: web.Request) -> web.Response:
        """GET a saved data set as azureml-core writes it: the data flow, in a string, begins with where it reads."""
        workspace, saved_id = workspace_of(request, self._current()), request.match_info["id"]
        every = (
            saved
            for run in workspace.all_runs()
            for saved in (*run.input_datasets.values(), *run.output_datasets.values())
            if saved.saved_id == saved_id and saved.datastore
        )
        found = next(every, None)
        if found is None:
            raise not_found("Dataset", saved_id)
        datastore = {
            "datastoreName": found.datastore,
            "path": found.path,
            "resourceGroup": workspace.names.resource_group,
            "subscription": workspace.names.subscription,
            "workspaceName": workspace.names.workspace,
        }
        block = {
            "id": saved_id,
            "type": "Microsoft.DPrep.GetDatastoreFilesBlock",
            "arguments": {"datastores": [datastore]},
            "localData": {},
            "isEnabled": True,
            "name": None,
            "annotation": None,
        }
        return web.json_response(
            {
                "id": saved_id,
                "datasetType": "File",
                "properties": {},
                "dataflowJson": json.dumps({"blocks": [block]}),
                "dataPath": None,
            }
        )
