"""Reads `downstream.yaml`, which says what data feeds in Power BI; every mistake is reported at once."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared.catalog.downstream import NOTHING, Downstream, DownstreamEntry, Feed
from shared.errors import ConfigurationError
from shared.model import WorkspaceId
from shared.places import platforms
from shared.redaction import redact_text

FIELDS = ("asset", "path", "workspace", "dataset", "report")
_ASSET = re.compile(r"[^\s:/@]+")
_GLOB = re.compile(r"\*|\?(?![^/]*=)")
_IN_POWER_BI = {
    field: re.compile(rf"(?P<url>https://[\w.-]+/groups/[^/?#\s]+/{kind}/[^/?#\s]+)(?:[/?#]\S*)?", re.IGNORECASE)
    for field, kind in (("dataset", "datasets"), ("report", "reports"))
}
"""What follows the id is a page of it, or how somebody came there."""


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
        raise ConfigurationError([f"{name}: is no YAML{where}: {error.problem or error.context}"]) from error
    except yaml.YAMLError as error:
        raise ConfigurationError([f"{name}: is no YAML"]) from error
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
        """Return the fields as texts, "" for one that is none; None if there are no fields."""
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
                shown = redact_text(key.value) if key.id == "scalar" else "a key that is no text"
                self.problems.append(f"{shown}: is not known; there are {', '.join(FIELDS)}")

    def _asset(self, text: str) -> str:
        if text and not _ASSET.fullmatch(text):
            self.problems.append(f"asset: {redact_text(text)!r} is no name of a data asset; give it without a version")
        return text

    def _workspace(self, text: str) -> WorkspaceId | None:
        try:
            return WorkspaceId.parse(text)
        except ValueError:
            self.problems.append(f"workspace: {redact_text(text)!r} is not the ARM id of an Azure ML workspace")
            return None

    def _path(self, text: str) -> frozenset[str]:
        location = platforms.read(text)
        if _GLOB.search(text):
            self.problems.append(f"path: {redact_text(text)!r} is a pattern; give the folder, which means all below it")
        elif location is None or not platforms.place_of(location).exact:
            self.problems.append(f"path: {redact_text(text)!r} is no place that Purview scans; give a storage URL")
        return platforms.names_of(location) if location else frozenset()

    def _power_bi(self, field: str, text: str) -> str:
        match = _IN_POWER_BI[field].fullmatch(text)
        if match or not text:
            return match["url"] if match else ""
        example = f"https://app.powerbi.com/groups/{{workspace}}/{field}s/{{id}}"
        self.problems.append(f"{field}: {redact_text(text)!r} is no Power BI {field}; give {example}")
        return ""
