"""A tape of what Azure ML answered, played back without a network, one answer of it changed at a time."""

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

_Key = tuple[str, str, str]
_READ_BY_THE_SDK = ("data", "models", "datastores", "jobs", "onlineEndpoints", "batchEndpoints")
UNEXPECTED = "unexpected"


@dataclass(frozen=True, slots=True)
class Mutation:
    """One field of one answer that is dropped, null or of another type; `path` leads to it."""

    key: _Key
    path: tuple[str | int, ...]
    how: str

    @property
    def field(self) -> str:
        return next((str(part) for part in reversed(self.path) if isinstance(part, str)), "")

    @property
    def is_of_any_case(self) -> bool:
        """Whether the answer is about the workspace, which is the same in every case."""
        resource = self.key[1].partition("?")[0].rpartition("/workspaces/")[2].partition("/")[2]
        return resource.partition("/")[0] in ("", "datastores", "experimentids")

    @property
    def names(self) -> tuple[str, ...]:
        """What may tell the mutation: the field or, where the SDK reads the answer and names no field, the resource."""
        resource = self.key[1].partition("?")[0].rpartition("/workspaces/")[2].partition("/")[2]
        kind, _, name = resource.partition("/")
        if kind not in _READ_BY_THE_SDK:
            return (self.field,)
        return (self.field, name.partition("/")[0] or kind)

    @property
    def label(self) -> str:
        return f"{self.how} {'.'.join(map(str, self.path))} of {self.key[0]} {self.key[1].partition('/workspaces')[2]}"

    def apply(self, body: Any) -> Any:
        changed = copy.deepcopy(body)
        *above, last = self.path
        parent = changed
        for part in above:
            parent = parent[part]
        if self.how == "drop":
            del parent[last]
        elif self.how == "null":
            parent[last] = None
        else:
            parent[last] = UNEXPECTED if isinstance(parent[last], dict | list) else {UNEXPECTED: 1}
        return changed


@dataclass
class Tape(BaseAdapter):
    """Records what the adapter behind it is answered; once `recording` is off, plays that back."""

    behind: BaseAdapter
    recording: bool = True
    answers: dict[_Key, tuple[int, Any]] = field(default_factory=dict)
    mutation: Mutation | None = None

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        key = _key_of(request)
        if self.recording:
            response = self.behind.send(request, *args, **kwargs)
            self.answers[key] = (response.status_code, response.json())
            return response
        if key not in self.answers:  # what is asked for only because of the mutation
            return self.behind.send(request, *args, **kwargs)
        status, body = self.answers[key]
        if self.mutation and self.mutation.key == key:
            body = self.mutation.apply(body)
        return _response(request, status, body)

    def close(self) -> None:
        self.behind.close()

    def mutations(self) -> Iterator[Mutation]:
        """Yield each change of each field; of a list, those of its first item, of many runs, those of two."""
        for key, (status, body) in self.answers.items():
            if status == 200:
                for path in _paths(body, ()):
                    yield from (Mutation(key, path, how) for how in ("drop", "null", "retype"))


def _key_of(request: requests.PreparedRequest) -> _Key:
    body = request.body.decode() if isinstance(request.body, bytes) else str(request.body or "")
    return (str(request.method), str(request.url), body)


def _response(request: requests.PreparedRequest, status: int, body: Any) -> requests.Response:
    content = json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(content))}
    raw = HTTPResponse(BytesIO(content), headers=headers, status=status, preload_content=False)
    response = requests.Response()
    response.status_code, response.request, response.url, response.raw = status, request, str(request.url), raw
    response.headers.update(headers)
    return response


def _paths(body: object, above: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if isinstance(body, Mapping):
        members = list(body.items())
        # Of many runs in one answer two stand for all: they look the same.
        for name, value in members[-2:] if above == ("successfulResults",) else members:
            yield (*above, name)
            yield from _paths(value, (*above, name))
    elif isinstance(body, list) and body:
        yield (*above, 0)
        yield from _paths(body[0], (*above, 0))
