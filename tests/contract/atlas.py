"""The Atlas API over bare HTTP, and the documents it takes, for the tests of the emulated Purview."""

from typing import Any

import requests

from emulator.server import Emulator
from tests.harness.callers import jwt

TIMEOUT = 30
FILE = "azure_datalake_gen2_path"


class Atlas:
    """The Atlas API of the current base path over bare HTTP."""

    def __init__(self, emulator: Emulator) -> None:
        self._base = f"{emulator.url}/datamap/api"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = emulator.ca_bundle
        self.session.headers["Authorization"] = "Bearer any"

    def become(self, principal: str) -> None:
        """Send the next requests as another caller."""
        self.session.headers["Authorization"] = f"Bearer {jwt(oid=principal)}"

    def send(
        self, method: str, path: str, body: object = None, *, root: str = "/atlas/v2", **query: Any
    ) -> requests.Response:
        """Send one request."""
        params = {"api-version": "2023-09-01", **query}
        return self.session.request(method, f"{self._base}{root}{path}", params=params, json=body, timeout=TIMEOUT)

    def ok(self, method: str, path: str, body: object = None, **query: Any) -> Any:
        """Send a request that must succeed and return the body of the answer."""
        response = self.send(method, path, body, **query)
        assert response.ok, response.text
        return response.json() if response.content else None

    def refused(self, method: str, path: str, body: object = None, **query: Any) -> tuple[int, str, str]:
        """Send a request that must be refused and return the status, the code and the text."""
        response = self.send(method, path, body, **query)
        assert response.status_code >= 400, response.text
        answer = response.json()
        return response.status_code, answer["errorCode"], answer["errorMessage"]

    def write(self, *entities: dict[str, Any], **query: Any) -> Any:
        """Write entities in one request."""
        return self.ok("POST", "/entity/bulk", {"entities": list(entities)}, **query)

    def entity(self, guid: str) -> Any:
        """Read one entity."""
        return self.ok("GET", f"/entity/guid/{guid}")["entity"]


def dataset(number: int, **attributes: object) -> dict[str, Any]:
    """Make a dataset with placeholder ``-number``."""
    values = {"qualifiedName": f"d://{number}", "name": f"d{number}", **attributes}
    return {"typeName": "DataSet", "guid": f"-{number}", "attributes": values}


def process(inputs: list[Any], outputs: list[Any], number: int = 100) -> dict[str, Any]:
    """Make a process that refers to datasets by placeholder number or by reference."""
    refer = [[{"guid": f"-{item}"} if isinstance(item, int) else item for item in side] for side in (inputs, outputs)]
    values = {"qualifiedName": f"p://{number}", "name": f"p{number}", "inputs": refer[0], "outputs": refer[1]}
    return {"typeName": "Process", "guid": f"-{number}", "attributes": values}


def entity_type(name: str, *attributes: dict[str, Any], parents: tuple[str, ...] = ("DataSet",)) -> dict[str, Any]:
    """Define an entity type."""
    return {"name": name, "superTypes": list(parents), "attributeDefs": list(attributes)}


def composition(name: str, parent: str, many: str, child: str, one: str) -> dict[str, Any]:
    """Define a COMPOSITION."""
    return {
        "name": name,
        "relationshipCategory": "COMPOSITION",
        "endDef1": {"type": parent, "name": many, "cardinality": "SET", "isContainer": True},
        "endDef2": {"type": child, "name": one},
    }


def shelf(number: int, *books: int) -> dict[str, Any]:
    """Make a shelf, with a list of books if any are given."""
    listed = {"relationshipAttributes": {"books": [{"guid": f"-{item}"} for item in books]}} if books else {}
    return {**dataset(number), "typeName": "shelf", **listed}


def book(number: int, on: str) -> dict[str, Any]:
    """Make a book on a shelf."""
    return {**dataset(number), "typeName": "book", "relationshipAttributes": {"shelf": {"guid": on}}}
