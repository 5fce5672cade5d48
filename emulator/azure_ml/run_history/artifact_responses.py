"""The path of the artifact service: what is in the files that runs logged."""

from aiohttp import web

from emulator.azure_ml.errors import bad_request, not_found
from emulator.azure_ml.requests import Current, Handler, workspace_of

ORIGIN = "ExperimentRun"


class ArtifactResponses:
    """Handlers of ``/artifact/v2.0/{workspace}/artifacts``."""

    def __init__(self, current: Current) -> None:
        self._current = current

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Give method, path template and handler."""
        return [("GET", "/{origin}/{container}/content", self.get_content)]

    async def get_content(self, request: web.Request) -> web.Response:
        """GET a file as it is; a run's files are in the container that its record names."""
        path = request.query.get("path")
        if not path:
            raise bad_request("The path parameter is required.")
        state, names = self._current(), request.match_info
        run = workspace_of(request, state).runs.get(names["container"].removeprefix("dcid."))
        known = names["origin"] == ORIGIN and run is not None and run.container == names["container"]
        if run is None or not known or not state.is_visible(run) or path not in run.artifacts:
            raise not_found("Artifact", f"{names['origin']}/{names['container']}/{path}")
        return web.Response(body=run.artifacts[path], content_type="application/octet-stream")
