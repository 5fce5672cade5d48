"""Reads files that runs logged."""

from urllib.parse import quote

from shared.http.rest import RestClient

LARGEST = 1024 * 1024
"""Bytes of a file that is read; a column mapping has a few thousand."""


class Artifacts:
    """
    Azure ML's artifact service of one workspace, which passes on what is in a file, wherever that is stored.

    Wire shape: azure-rest-api-specs, Artifact API 2019-08-01, `Artifacts_Download`; the same operation is in the
    client of azureml-mlflow. Needs `metadata/artifacts/read`, a part of the reader role.
    """

    def __init__(self, rest: RestClient, api_url: str, arm_id: str) -> None:
        self._rest = rest
        self._root = f"{api_url.rstrip('/')}/artifact/v2.0{arm_id}/artifacts/ExperimentRun"

    def get_content(self, container: str, path: str) -> bytes:
        """
        Return what is in a file.

        Args:
            container: the run's `dataContainerId`.
            path: as it was logged, `lineage/column_mapping.json`.

        May also raise what RestClient raises.

        Raises:
            RecordNotFoundError: the run logged no such file.
            UnreadableAnswerError: it is larger than LARGEST.
        """
        url = f"{self._root}/{quote(container, safe='')}/content"
        return self._rest.get_content(url, params={"path": quote(path, safe="")}, largest=LARGEST)
