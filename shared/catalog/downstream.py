"""What data outside Azure ML feeds: the Power BI datasets and reports that `downstream.yaml` and tags name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.errors import ConfigurationError
from shared.model import AssetId, Location, WorkspaceId
from shared.places import platforms
from shared.redaction import redact_text

FIELDS = ("asset", "path", "workspace", "dataset", "report")
_ASSET = re.compile(r"[^\s:/@]+")
_GLOB = re.compile(r"\*|\?(?![^/]*=)")
_IN_POWER_BI = {
    field: re.compile(rf"(?P<url>https://[\w.-]+/groups/[^/?#\s]+/{kind}/[^/?#\s]+)(?:[/?#]\S*)?", re.IGNORECASE)
    for field, kind in (("dataset", "datasets"), ("report", "reports"))
}
"""What follows the id is a page of it, or how a person came there."""


@dataclass(frozen=True, slots=True)
class Feed:
    """
    A Power BI dataset that is fed from some data, and the report on it, if any, by URL.

    Attributes:
        dataset_field, report_field: where that comes from, for people.
    """

    dataset: str
    report: str
    dataset_field: str
    report_field: str


@dataclass(frozen=True, slots=True)
class DownstreamEntry:
    """
    One line of a mapping: all versions of a data asset, or a place and all below it, feed a dataset.

    Attributes:
        asset: name of a registered data asset; "" where a place is meant.
        workspace: the only workspace whose asset is meant; None for any.
        names: every name that a scanner may have for the place.
    """

    feed: Feed
    asset: str = ""
    workspace: WorkspaceId | None = None
    names: frozenset[str] = field(default_factory=frozenset)

    def takes_asset(self, workspace: WorkspaceId, asset: AssetId) -> bool:
        if self.asset != asset.name:
            return False
        return self.workspace is None or (self.workspace == workspace and not asset.registry)

    def takes_place(self, names: frozenset[str]) -> bool:
        """Whether one of the names is a name of the place, or below one."""
        return any(name == place or name.startswith(f"{place}/") for name in names for place in self.names)


@dataclass(frozen=True, slots=True)
class Downstream:
    """The entries of a `downstream.yaml`, in its order."""

    entries: tuple[DownstreamEntry, ...] = ()

    def of_asset(self, workspace: WorkspaceId, asset: AssetId) -> Iterator[Feed]:
        """Yield what a version of a data asset, seen from a workspace, feeds."""
        for entry in self.entries:
            if entry.takes_asset(workspace, asset):
                yield entry.feed

    def of_location(self, location: Location) -> Iterator[Feed]:
        """Yield what a place feeds."""
        names = platforms.place_of(location).names if self.entries else frozenset()
        for entry in self.entries:
            if entry.takes_place(names):
                yield entry.feed


NOTHING = Downstream()


def read_downstream(file: Path) -> Downstream:
    """
    Raises:
        ConfigurationError: names every mistake by the number of its entry and the field.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError([f"{file.name}: is not UTF-8, at byte {error.start}"]) from error
    except OSError as error:
        raise ConfigurationError([f"{file}: cannot be read ({error.strerror})"]) from error
    return parse_downstream(text, file.name)


def parse_downstream(text: str, name: str) -> Downstream:
    """Read the content of such a file; `name` is for people. Raises as `read_downstream` does."""
    import yaml

    try:
        # Nodes, not values: of a key that is written twice a value has but the last.
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        where = f" at line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigurationError([f"{name}: is not YAML{where}: {error.problem or error.context}"]) from error
    except yaml.YAMLError as error:
        raise ConfigurationError([f"{name}: is not YAML"]) from error
    if root is None:
        return NOTHING
    if not isinstance(root, yaml.SequenceNode):
        raise ConfigurationError([f"{name}: is not a list of entries"])
    entries, problems = [], []
    for number, node in enumerate(root.value, start=1):
        reader = _Entry(f"entry {number} of {name}")
        entries.append(reader.read(node))
        problems += [f"{reader.label}: {problem}" for problem in reader.problems]
    if problems:
        raise ConfigurationError(problems)
    return Downstream(tuple(entries))


class _Entry:
    def __init__(self, label: str) -> None:
        self.label = label
        self.problems: list[str] = []

    def read(self, node: Any) -> DownstreamEntry:
        values = self._values(node)
        if values is None:
            return DownstreamEntry(Feed("", "", "", ""))
        if ("asset" in values) == ("path" in values):
            self.problems.append("asset, path: give one of them")
        if "path" in values and "workspace" in values:
            self.problems.append("workspace: is for an asset; a path is the same in all of them")
        if "dataset" not in values:
            self.problems.append("dataset: is missing; give https://app.powerbi.com/groups/{workspace}/datasets/{id}")
        asset, path, workspace, dataset, report = (values.get(field, "") for field in FIELDS)
        names, only = self._path(path) if path else frozenset[str](), self._workspace(workspace) if workspace else None
        feed = Feed(self._power_bi("dataset", dataset), self._power_bi("report", report), self.label, self.label)
        return DownstreamEntry(feed, self._asset(asset), only, names)

    def _values(self, node: Any) -> dict[str, str] | None:
        """Return the fields as texts, "" for one that is not text; None if there are no fields."""
        if node.id != "mapping":
            self.problems.append(f"is not an entry; give {', '.join(FIELDS)}")
            return None
        values: dict[str, str] = {}
        for key, value in self._pairs(node):
            if key in values:
                self.problems.append(f"{key}: is there twice; write one entry for each")
            is_text = value.id == "scalar" and value.tag == "tag:yaml.org,2002:str" and value.value.strip()
            if not is_text:
                self.problems.append(f"{key}: is not text; put it in quotes if it is meant to be")
            values[key] = value.value.strip() if is_text else ""
        return values

    def _pairs(self, node: Any) -> Iterator[tuple[str, Any]]:
        for key, value in node.value:
            if key.id == "scalar" and key.value in FIELDS:
                yield key.value, value
            else:
                shown = redact_text(key.value) if key.id == "scalar" else "a key that is not text"
                self.problems.append(f"{shown}: is not known; there are {', '.join(FIELDS)}")

    def _asset(self, text: str) -> str:
        if text and not _ASSET.fullmatch(text):
            self.problems.append(f"asset: {redact_text(text)!r} is not a data asset; give its name without a version")
        return text

    def _workspace(self, text: str) -> WorkspaceId | None:
        try:
            return WorkspaceId.parse(text)
        except ValueError:
            self.problems.append(f"workspace: {redact_text(text)!r} is not the ARM id of an Azure ML workspace")
            return None

    def _path(self, text: str) -> frozenset[str]:
        location = platforms.read(text.replace("#", "%23"))  # a path, and no URL that could have a fragment
        if _GLOB.search(text):
            self.problems.append(f"path: {redact_text(text)!r} is a pattern; give the folder, which means all below it")
        elif location is None or not platforms.place_of(location).exact:
            self.problems.append(f"path: {redact_text(text)!r} is not a place that Purview scans; give a storage URL")
        return platforms.names_of(location) if location else frozenset()

    def _power_bi(self, field: str, text: str) -> str:
        match = _IN_POWER_BI[field].fullmatch(text)
        if match or not text:
            return match["url"] if match else ""
        example = f"https://app.powerbi.com/groups/{{workspace}}/{field}s/{{id}}"
        self.problems.append(f"{field}: {redact_text(text)!r} is not a Power BI {field}; give {example}")
        return ""
