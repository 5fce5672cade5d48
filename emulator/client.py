"""The control plane from the client's side, for tests and benchmarks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

TIMEOUT = 60


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the emulator logged it."""

    method: str
    path: str
    status: int
    service: str
    ms: float
    connection: int
    query: str = ""


class Control:
    """Steer an emulator, in this process or another; a wrong use raises ValueError."""

    def __init__(self, url: str, ca_bundle: str) -> None:
        self._url = f"{url}/_emulator"
        self._session = requests.Session()
        self._session.trust_env = False  # neither a proxy nor another CA may get in between
        self._session.verify = ca_bundle

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def reset(self) -> None:
        """Go back to the start of the current scenario; faults and log are cleared."""
        self._send("POST", "reset")

    def use(self, name: str, steps: int | None = None) -> None:
        """Start another scenario."""
        self._send("POST", "scenario", {"name": name, "steps": steps})

    def scenario(self) -> str:
        """Name the current scenario."""
        return str(self._send("GET", "scenario")["name"])

    def requests(self, service: str | None = None) -> list[Request]:
        """List the requests since the last reset, of one service or of both."""
        logged = [Request(**entry) for entry in self._send("GET", "requests")]
        return [request for request in logged if service in (None, request.service)]

    def clear_requests(self) -> None:
        """Clear the log and nothing else."""
        self._send("DELETE", "requests")

    def events(self) -> list[tuple[str, Any]]:
        """Give the events of the scenario, file by file: name and body."""
        return [(entry["name"], entry["body"]) for entry in self._send("GET", "events")]

    def faults(self, *script: Mapping[str, object]) -> None:
        """Replace the fault script; without arguments, behave."""
        self._send("POST", "faults", list(script))

    def pending_faults(self) -> list[dict[str, Any]]:
        """List the faults that are not used up."""
        faults: list[dict[str, Any]] = self._send("GET", "faults")
        return faults

    def latency(self, ms: float) -> None:
        """Make every service request wait this long."""
        self._send("POST", "latency", {"ms": ms})

    def transitions(self, run_id: str, statuses: Sequence[str] = (), visible_after_reads: int = 0) -> None:
        """Script a run: its status at each read of its record, and how many reads find no record yet."""
        body = {"statuses": list(statuses), "visible_after_reads": visible_after_reads}
        self._send("POST", f"azure_ml/runs/{run_id}/transitions", body)

    def add_to_azure_ml(self, fragment: Mapping[str, object]) -> None:
        """Merge a fragment of an ``azure_ml.yaml`` into the state."""
        self._send("POST", "azure_ml", fragment)

    def switches(self, **switches: object) -> None:
        """Set switches of the emulated Purview."""
        self._send("POST", "purview/switches", switches)

    def state(self) -> dict[str, Any]:
        """Give the whole state of both services."""
        state: dict[str, Any] = self._send("GET", "state")
        return state

    def _send(self, method: str, path: str, body: object = None) -> Any:
        response = self._session.request(method, f"{self._url}/{path}", json=body, timeout=TIMEOUT)
        if response.status_code == 400:
            raise ValueError(response.json()["error"]["message"])
        response.raise_for_status()
        return response.json() if response.content else None
