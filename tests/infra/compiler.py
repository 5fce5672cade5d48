"""Microsoft's Bicep compiler over its JSON-RPC: one process for all templates and parameter files of a test run."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.references.bicep import INFRA

PARAMETERS = Path(__file__).parent / "parameters"
CASES = sorted(file.stem for file in PARAMETERS.glob("*.bicepparam"))
SUBSCRIPTION = "eeeeeeee-0000-4000-8000-000000000005"
"""Where the app is deployed to."""
IDENTITY = "ffffffff-0000-4000-8000-000000000006"
"""The app's identity, whose id is known only once it exists."""


class CompilerError(Exception):
    """What the compiler refused, in its own words."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a template would deploy with some parameters, as Azure Resource Manager expands it; without Azure."""

    resources: tuple[dict[str, Any], ...]
    outputs: Mapping[str, Any]
    diagnostics: tuple[dict[str, Any], ...]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the resources of one type, in their order."""
        return [resource for resource in self.resources if resource["type"] == kind]


@dataclass(frozen=True, slots=True)
class Deployment:
    """The three deployments of `azd up`; the second and third have the outputs of the first, as the hooks pass them."""

    main: Snapshot
    links: Snapshot
    events: Snapshot

    @property
    def workspaces(self) -> list[str]:
        return str(self.main.outputs["LINEAGE_WORKSPACES"]).split(",")


class Compiler:
    """A running compiler; a context manager, which ends it."""

    def __init__(self, program: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603
            [program, "jsonrpc", "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._requests = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            self._process.terminate()

    def diagnostics(self, template: Path) -> list[str]:
        """Compile a template and return each error, and each warning of compiler and linter."""
        return [
            f"{item['source']}:{item['range']['start']['line'] + 1}: {item['level']} {item['code']}: {item['message']}"
            for item in self._request("compile", path=str(template))["diagnostics"]
        ]

    def formatted(self, template: Path) -> str:
        """Return a template in the form that `bicep format` gives it."""
        return str(self._request("format", path=str(template))["contents"])

    def snapshot(self, parameters: Path) -> Snapshot:
        """Expand the template that a parameter file names, or raise CompilerError where it could not be deployed."""
        where = {"subscriptionId": SUBSCRIPTION, "location": "westeurope"}
        snapshot = json.loads(self._request("getSnapshot", path=str(parameters), metadata=where)["snapshot"])
        return Snapshot(tuple(snapshot["predictedResources"]), snapshot["outputs"], tuple(snapshot["diagnostics"]))

    def deployment(self, case: str, folder: Path) -> Deployment:
        """Expand all three deployments of a parameter file; those for the hooks are written to a folder."""
        main = self.snapshot(PARAMETERS / f"{case}.bicepparam")
        environment = {"AZURE_ENV_NAME": "test"} | {
            name: IDENTITY if str(value).startswith("[reference(") else value for name, value in main.outputs.items()
        }

        def after(hook: str, template: str) -> Snapshot:
            script = (INFRA / "hooks" / f"{hook}.sh").read_text(encoding="utf-8")
            values = {name: environment[of] for name, of in re.findall(r'--parameters "(\w+)=\$(\w+)"', script)}
            file = folder / f"{case}.{template}.bicepparam"
            return self.snapshot(write_parameters(file, INFRA / f"{template}.bicep", values))

        return Deployment(main, after("postprovision", "links"), after("postdeploy", "events"))

    def _request(self, method: str, **parameters: object) -> dict[str, Any]:
        requests, responses = self._process.stdin, self._process.stdout
        assert requests
        assert responses
        self._requests += 1
        request = {"jsonrpc": "2.0", "id": self._requests, "method": f"bicep/{method}", "params": parameters}
        body = json.dumps(request).encode()
        requests.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        requests.flush()
        headers = dict(line.split(b":") for line in iter(lambda: responses.readline().strip(), b""))
        response = json.loads(responses.read(int(headers[b"Content-Length"])))
        if "error" in response:
            raise CompilerError(response["error"].get("data", response["error"])["message"])
        return dict(response["result"])


Value = str | bool | Mapping[str, str]
"""Of a parameter."""


def write_parameters(file: Path, template: Path, values: Mapping[str, Value]) -> Path:
    """Write a parameter file, whose template must be named by a relative path."""
    lines = [f"using '{Path(os.path.relpath(template, file.parent)).as_posix()}'"]
    lines += [f"param {name} = {_literal(value)}" for name, value in values.items()]
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def _literal(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{\n" + "".join(f"  {name}: {_literal(item)}\n" for name, item in value.items()) + "}"
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("${", "\\${") + "'"
