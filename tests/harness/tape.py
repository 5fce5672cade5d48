"""A tape of what Azure ML answered, played back without a network, one answer of it changed at a time."""

import copy
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from shared.errors import LineageError

Key = tuple[str, str, str, int]
"""Method, URL, body, and how many times the workspace had changed before."""
_Path = tuple[str | int, ...]
_READ_BY_THE_SDK = ("data", "datastores")
UNEXPECTED = "unexpected"

_COLLECTIONS = "jobs|data|models|datastores|environments|versions|onlineEndpoints|batchEndpoints|deployments"
_ASSET = re.compile(rf"(?<=/)({_COLLECTIONS}|runs|experimentids|ExperimentRun)/[^/?]+(?=/|$)")
"""A name or an id within a URL, behind what it is one of. `models/batchGetResolvedUris` is none, and does no harm."""
_NAMED_BY_PEOPLE = frozenset({"inputs", "outputs", "successfulResults", "values", "data", "outputData", "inputAssets"})
"""Objects whose members are named after inputs, outputs, runs and assets."""
_TEXTS = frozenset({"tags", "environmentVariables", "parameters", "traffic", "flavors", "experiments", "searchSpace"})
"""Objects that are a map from any name to a text or a number, or nearly so."""
_OF_PEOPLE = frozenset({"condaDependencies"})
"""What is in a file of theirs."""
_KINDS = frozenset(
    {
        "runType", "attribution", "jobType", "datastoreType", "kind", "endpointComputeType", "dataType", "type",
        "modelType", "jobInputType", "jobOutputType", "environmentType", "taskType", "referenceType", "runTemplate",
    }
)  # fmt: skip
"""Members that say what an object is."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One field of one answer that is dropped, null or of another type; `path` leads to it."""

    key: Key
    path: _Path
    how: str
    shape: tuple[object, ...]
    """What it has in common with the same field of other answers of this kind."""

    @property
    def field(self) -> str:
        return next((str(part) for part in reversed(self.path) if isinstance(part, str)), "")

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
    """
    Records what the adapter behind it is answered; once `recording` is off, plays that back.

    Attributes:
        epoch: how many times the workspace has changed; the same request is answered otherwise then.
        change: what is done to the body of an answer that is played back, but never to a file of people's.
        changed: the one answer that this is done to, if it is one.
    """

    behind: BaseAdapter
    recording: bool = False
    epoch: int = 0
    answers: dict[Key, tuple[int, Any]] = field(default_factory=dict)
    change: Callable[[Any], Any] | None = None
    changed: Key | None = None
    _asked: threading.local = field(default_factory=threading.local)

    def forget(self) -> None:
        """Begin with another workspace."""
        self.answers, self.change, self.changed = {}, None, None

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        body = request.body.decode() if isinstance(request.body, bytes) else str(request.body or "")
        key = (str(request.method), str(request.url), body, self.epoch)
        if (asked := getattr(self._asked, "keys", None)) is not None:
            asked.add(key)
        if self.recording:
            response = self.behind.send(request, *args, **kwargs)
            self.answers[key] = (response.status_code, _read(response))
            return response
        if key not in self.answers:  # what is asked for only because of the change
            return self.behind.send(request, *args, **kwargs)
        status, answer = self.answers[key]
        if self.change and (key == self.changed if self.changed else "/artifacts/" not in key[1]):
            answer = self.change(answer)
        return _response(request, status, answer)

    def close(self) -> None:
        self.behind.close()

    @contextmanager
    def asked(self) -> Iterator[set[Key]]:
        """Note what this thread asks for meanwhile."""
        self._asked.keys = set[Key]()
        yield self._asked.keys
        self._asked.keys = None


class Remembering:
    """
    A client whose answers are kept while nothing is changed, and given again while one answer is that it did not need.

    What it answers to a changed body goes all the way through the client, and what it has not been asked before.
    """

    def __init__(self, client: object, tape: Tape) -> None:
        self._client, self._tape = client, tape
        self._kept: dict[tuple[object, ...], tuple[set[Key], Callable[[], Any]]] = {}

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return partial(self._ask, method)

    def _ask(self, method: str, *args: object, **options: object) -> Any:
        ask = partial(getattr(self._client, method), *args, **options)
        question = (method, repr(args), repr(options), self._tape.epoch)
        if self._tape.change:
            keys, answer = self._kept.get(question, (set(), ask))
            return answer() if self._tape.changed and self._tape.changed not in keys else ask()
        with self._tape.asked() as keys:
            try:
                value = ask()
            except LineageError as error:
                self._kept[question] = keys, partial(_raise, error)
                raise
        self._kept[question] = keys, _again(value)
        return value


def _raise(error: LineageError) -> None:
    raise error.with_traceback(None)


def _again(value: Any) -> Callable[[], Any]:
    """Return what gives a value again, a new one each time if it is JSON, which its reader may change."""
    if isinstance(value, dict):
        with suppress(TypeError):
            return partial(json.loads, json.dumps(value))
    return lambda: value


def mutations_of(key: Key, body: object) -> Iterator[Mutation]:
    """Yield each change of each field of an answer."""
    for path, shape in _fields(body, (), (_operation_of(key),)):
        yield from (Mutation(key, path, how, (*shape, how)) for how in ("drop", "null", "retype"))


def with_extras(body: Any, *, named_by_people: bool = False) -> Any:
    """Add an unexpected member to every object of Azure ML's, but not to those whose members people name."""
    if isinstance(body, list):
        return [with_extras(item) for item in body]
    if not isinstance(body, Mapping):
        return body
    changed = {
        name: value if name in _OF_PEOPLE else with_extras(value, named_by_people=_is_named_by_people(name, value))
        for name, value in body.items()
    }
    return changed if named_by_people else {**changed, UNEXPECTED: {UNEXPECTED: 1}}


def _is_named_by_people(name: str, value: object) -> bool:
    if name == "properties" and isinstance(value, Mapping):  # those of ARM have fields, those within them any names
        return all(isinstance(each, str) for each in value.values())
    return name in _NAMED_BY_PEOPLE or name in _TEXTS


def _operation_of(key: Key) -> str:
    """Tell which operation of which service answered."""
    path = urlsplit(key[1]).path
    service, _, rest = path.partition("/subscriptions/")
    resource = _ASSET.sub(lambda match: match[1], f"/{rest.partition('/workspaces/')[2].partition('/')[2]}")
    return f"{key[0]} {service} {resource}"


def _fields(body: object, path: _Path, shape: tuple[object, ...]) -> Iterator[tuple[_Path, tuple[object, ...]]]:
    """Yield the path of each field with its shape: operation, kinds, general path, type of the value."""
    if isinstance(body, Mapping):
        kinds = tuple(sorted(f"{name}={value}" for name, value in _kinds_of(body)))
        named_by_people = bool(path) and path[-1] in _NAMED_BY_PEOPLE
        for name, value in body.items():
            below = (*shape, *kinds, "*" if named_by_people else name)
            yield (*path, name), (*below, type(value).__name__)
            yield from _fields(value, (*path, name), below)
    elif isinstance(body, list):
        for number, item in enumerate(body):
            yield (*path, number), (*shape, "*", type(item).__name__)
            yield from _fields(item, (*path, number), (*shape, "*"))


def _kinds_of(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in body.items():
        if name in _KINDS and isinstance(value, str):
            yield name, value
        elif isinstance(value, Mapping) and name in ("properties", "runMetadata", "runTypeV2"):
            yield from _kinds_of(value)


def _read(response: requests.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return response.text


def _response(request: requests.PreparedRequest, status: int, body: Any) -> requests.Response:
    content = json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(content))}
    raw = HTTPResponse(BytesIO(content), headers=headers, status=status, preload_content=False)
    response = requests.Response()
    response.status_code, response.request, response.url, response.raw = status, request, str(request.url), raw
    response.headers.update(headers)
    return response
