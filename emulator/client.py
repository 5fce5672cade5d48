"""The control plane from the client's side, for tests and benchmarks."""

from collections import Counter
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

    def use(
        self,
        name: str,
        steps: int | None = None,
        *,
        runs: int | None = None,
        seed: int | None = None,
        shape: str | None = None,
    ) -> None:
        """Start another scenario; ``steps`` are for ``chain``, the rest for ``fleet``."""
        body = {"name": name, "steps": steps, "runs": runs, "seed": seed, "shape": shape}
        self._send("POST", "scenario", body)

    def scenario(self) -> str:
        """Name the current scenario."""
        return str(self._send("GET", "scenario")["name"])

    def requests(self, service: str | None = None) -> list[Request]:
        """List the requests since the last reset, of one service or of all."""
        logged = [Request(**entry) for entry in self._send("GET", "requests")]
        return [request for request in logged if service in (None, request.service)]

    def clear_requests(self) -> None:
        """Clear the log and nothing else."""
        self._send("DELETE", "requests")

    def events(self, start: int = 0, count: int | None = None) -> list[tuple[str, Any]]:
        """Give the events of the scenario, file by file: name and body; all of them, or some of a large fleet's."""
        path = f"events?start={start}" + ("" if count is None else f"&count={count}")
        return [(entry["name"], entry["body"]) for entry in self._send("GET", path)]

    def openlineage_events(self) -> list[tuple[str, Any]]:
        """Give the OpenLineage events of the scenario, which no service of the emulator sends: name and body."""
        return [(entry["name"], entry["body"]) for entry in self._send("GET", "openlineage")]

    def faults(self, *script: Mapping[str, object]) -> None:
        """Replace the fault script; without arguments, behave."""
        self._send("POST", "faults", list(script))

    def pending_faults(self) -> list[dict[str, Any]]:
        """List the faults that are not used up; those with a rate never are."""
        faults: list[dict[str, Any]] = self._send("GET", "faults")
        return faults

    def injected_faults(self, service: str | None = None) -> dict[str, int]:
        """Count what the faults with a rate injected, by kind, of one service or of all."""
        counts: Counter[str] = Counter()
        for fault in self.pending_faults():
            if service in (None, fault["service"]):
                counts.update(fault.get("injected", {}))
        return dict(counts)

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

    def archive(
        self,
        kind: str,
        name: str,
        version: str | None = None,
        *,
        workspace: str | None = None,
        archived: bool = True,
    ) -> None:
        """
        Archive one of ``jobs``, ``models``, ``data``, ``environments``, ``components``, or restore it.

        Without a version it is the asset's container. The workspace is needed if there are several.
        """
        body = {"workspace": workspace, "kind": kind, "name": name, "version": version, "archived": archived}
        self._send("POST", "azure_ml/archive", body)

    def delete(
        self,
        kind: str,
        name: str,
        version: str | None = None,
        *,
        deployment: str | None = None,
        workspace: str | None = None,
    ) -> None:
        """Delete one of ``jobs``, a version of ``models``, or an endpoint (``onlineEndpoints`` …) or its deployment."""
        body = {"workspace": workspace, "kind": kind, "name": name, "version": version, "deployment": deployment}
        self._send("POST", "azure_ml/delete", body)

    def switches(self, **switches: object) -> None:
        """Set switches of the emulated Purview."""
        self._send("POST", "purview/switches", switches)

    def scan(self, *paths: Mapping[str, object], is_indexed: bool = False) -> list[dict[str, str]]:
        """
        Let Purview's scanner find assets: ``typeName``, ``qualifiedName`` and plain attributes of each.

        Gives ``typeName``, ``qualifiedName``, ``guid`` and ``outcome`` of each:
        ``created``, ``updated`` or ``unchanged``. With ``is_indexed``, search has them at once.
        """
        body = {"paths": list(paths), "is_indexed": is_indexed}
        found: list[dict[str, str]] = self._send("POST", "purview/scan", body)
        return found

    def roles(self, principal: str, collection: str, *roles: str) -> None:
        """
        Give a principal exactly these roles right at a collection; without roles, none. What it inherits stays.

        Roles are named as in their ids: ``data-curator``, ``purview-reader``,
        ``data-source-administrator``, ``collection-administrator``.
        """
        body = {"principal": principal, "collection": collection, "roles": list(roles)}
        self._send("POST", "purview/roles", body)

    def add_to_arm(self, fragment: Mapping[str, object]) -> None:
        """Merge a fragment of an ``arm.yaml`` into the state."""
        self._send("POST", "arm", fragment)

    def event_subscription(
        self, topic: str, name: str, *, provisioning_state: str | None = None, expires: str | None = None
    ) -> None:
        """Set what an event subscription shows: its provisioning state, or a time (ISO 8601) at which it expires."""
        body = {"topic": topic, "name": name, "provisioning_state": provisioning_state, "expires": expires}
        self._send("POST", "arm/event_subscription", body)

    def metrics(
        self, topic: str, event_subscription: str | None = None, *, minutes_ago: float = 0, **values: float
    ) -> None:
        """Put counts of a system topic at a moment before now, in place of those that are there."""
        body = {"topic": topic, "event_subscription": event_subscription, "minutes_ago": minutes_ago, "values": values}
        self._send("POST", "arm/metrics", body)

    def fail_next_operation(self, code: str, message: str) -> None:
        """Let the next write of Event Grid be accepted, and then end in this error."""
        self._send("POST", "arm/fail_next_operation", {"code": code, "message": message})

    def state(self) -> dict[str, Any]:
        """Give the whole state of all services."""
        state: dict[str, Any] = self._send("GET", "state")
        return state

    def _send(self, method: str, path: str, body: object = None) -> Any:
        response = self._session.request(method, f"{self._url}/{path}", json=body, timeout=TIMEOUT)
        if response.status_code == 400:
            raise ValueError(response.json()["error"]["message"])
        response.raise_for_status()
        return response.json() if response.content else None
