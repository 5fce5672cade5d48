"""Callers of the emulated services: bare HTTP, with a token that says who sends it."""

import base64
import json
from typing import Any

import requests

from emulator.server import Emulator
from emulator.tokens import DEFAULT_PRINCIPAL

TIMEOUT = 10


def jwt(**claims: object) -> str:
    """Write a token as Entra does, without a signature that anybody would check."""
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "signature"])


class Caller:
    """Sends requests to an emulator, under one name at a time."""

    def __init__(self, emulator: Emulator) -> None:
        self._url = emulator.url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = emulator.ca_bundle
        self.session.headers["Authorization"] = "Bearer opaque"

    def become(self, principal: str = DEFAULT_PRINCIPAL, **claims: object) -> None:
        """Send the next requests as another caller."""
        self.session.headers["Authorization"] = f"Bearer {jwt(oid=principal, **claims)}"

    def send(self, method: str, path: str, body: object = None, **query: Any) -> requests.Response:
        """Send a request; parameters have underscores for hyphens."""
        params = {name.replace("_", "-"): value for name, value in query.items()}
        return self.session.request(method, f"{self._url}{path}", params=params, json=body, timeout=TIMEOUT)

    def ok(self, method: str, path: str, body: object = None, **query: Any) -> Any:
        """Send a request that has to succeed, and give its body."""
        response = self.send(method, path, body, **query)
        assert response.ok, response.text
        return response.json() if response.content else None

    def refused(self, method: str, path: str, body: object = None, **query: Any) -> tuple[int, str]:
        """Send a request that has to fail, and give its status and code."""
        response = self.send(method, path, body, **query)
        assert not response.ok, response.text
        return response.status_code, response.json()["error"]["code"]
