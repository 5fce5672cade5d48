"""Reads an environment: which version it is, and the packages it asks for, in every form Azure ML records."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import yaml

from shared.azure_ml.run.package_lines import IncludedFile, Specification, Unread, parse_conda, parse_pip, to_label
from shared.http.rest import Json
from shared.model import AssetId, Environment, Package
from shared.places.uris import AssetReference, parse_reference
from shared.redaction import redact_links, redact_text

_PARSERS: Mapping[str, Callable[[str], Specification | None]] = {"conda": parse_conda, "pip": parse_pip}
_R_NAME = re.compile(r"[A-Za-z][\w.]*", re.ASCII)
_R_REPOSITORY = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?:/[\w./-]*)?(?:[@#][\w./-]+)?", re.ASCII)
"""`username/repo[/subdir][@ref|#pull]`"""
_MAVEN_NAME = re.compile(r"[\w.-]+", re.ASCII)
_NAMED_IN_NOTES = 20


def parse_environment(environment: object) -> Environment | None:
    """
    Read an environment: `runDefinition.environment`, or an environment version as ARM has it.

    Whatever its shape, it is an environment as long as it has a name. Its packages are None where only a Dockerfile or
    an image knows them; its notes name what could not be read.
    """
    asset = _read_id(_object(environment))
    if asset is None:
        return None
    described = {**_object(_object(environment).get("properties")), **_object(environment)}
    python = _object(described.get("python"))
    conda = python.get("condaDependencies") or described.get("condaFile")
    found: list[Specification] = []
    notes: list[str] = []
    listed = False
    if conda and not _is_true(python.get("userManagedDependencies")):
        conda = _read_document(conda)
        listed = isinstance(conda, dict)
        if isinstance(conda, dict):
            found += _list_conda(conda.get("dependencies"))
        else:
            notes.append("Its list of packages cannot be read: it is neither JSON nor YAML.")
    others = [*_list_r(_object(described.get("r"))), *_list_spark(_object(described.get("spark")))]
    found += others
    if not listed and not notes:
        rest = "other packages" if others else "packages"
        notes.append(f"Defined by {_describe_origin(described)}; Azure ML does not list its {rest}.")
    packages = _unite(item for item in found if isinstance(item, Package))
    notes += _describe_gaps(found)
    return Environment(asset, packages=packages if listed or packages else None, notes=" ".join(notes))


def _read_id(environment: Json) -> AssetId | None:
    for member in ("assetId", "id"):
        reference = parse_reference(str(environment.get(member) or ""), kind="environments")
        if isinstance(reference, AssetReference) and reference.asset.kind == "environments":
            return reference.asset
    name, version = environment.get("name"), environment.get("version")
    if not isinstance(name, str) or not name:
        return None
    return AssetId("environments", name, str(version) if isinstance(version, str | int) else "")


def _describe_origin(described: Json) -> str:
    python, docker, build = (_object(described.get(member)) for member in ("python", "docker", "build"))
    if docker.get("baseDockerfile") or docker.get("buildContext") or build:
        return "a Dockerfile"
    if python.get("condaDependenciesFile"):
        return f"the conda file {to_label(python['condaDependenciesFile'])}"
    if python.get("baseCondaEnvironment"):
        return f"the conda environment {to_label(python['baseCondaEnvironment'])}"
    image = docker.get("baseImage") or described.get("image")
    return f"the image {to_label(image) if image else 'it names'}"


def _describe_gaps(found: Sequence[Specification]) -> Iterator[str]:
    files = _enumerate(item.name for item in found if isinstance(item, IncludedFile))
    if files:
        yield f"It includes files which are not in the record: {files}."
    unread = _enumerate(item.text for item in found if isinstance(item, Unread))
    if unread:
        yield f"Not read as a package: {unread}."


def _enumerate(labels: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(labels))
    rest = len(distinct) - _NAMED_IN_NOTES
    return ", ".join(distinct[:_NAMED_IN_NOTES]) + (f" and {rest} more" if rest > 0 else "")


def _read_document(value: object) -> object:
    """Read JSON or YAML text; any other value is returned unchanged."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        pass
    try:
        # It returns only texts, lists and mappings of them, which is safer than the safe loader:
        # that one reads `3.10` as 3.1, and fails on dates and tags in ways of its own.
        return yaml.load(value, Loader=yaml.BaseLoader)  # noqa: S506
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _list_conda(dependencies: object) -> Iterator[Specification]:
    """Yield what the lines of a conda file ask for: conda's own first, so that pip overrides them."""
    lines = sorted(_list_lines(dependencies), key=lambda line: line[0] == "pip")
    for manager, line in lines:
        if manager not in _PARSERS or not isinstance(line, str):
            yield Unread(to_label(line))
            continue
        for part in line.replace("\\\r\n", " ").replace("\\\n", " ").splitlines():
            specification = _PARSERS[manager](part)
            if specification is not None:
                yield specification


def _list_lines(dependencies: object) -> Iterator[tuple[str, object]]:
    """Yield each line with its package manager; a list that YAML's aliases repeat is read once."""
    pending: list[tuple[str, object]] = [("conda", dependencies)]
    seen: set[int] = set()
    while pending:
        manager, item = pending.pop()
        if isinstance(item, list | dict):
            if id(item) in seen:
                continue
            seen.add(id(item))
        if isinstance(item, list):
            pending += [(manager, each) for each in reversed(item)]
        elif isinstance(item, dict):
            known = {"pip": item["pip"]} if manager == "conda" and "pip" in item else {}
            pending += list(known.items())
            pending += [("", name) for name in item if name not in known]
        elif item is not None:
            yield manager, item


def _list_r(section: Json) -> Iterator[Specification]:
    """Yield the packages of an R environment, without the token of a private repository."""
    if _is_true(section.get("userManaged")):
        return
    if version := _text(section.get("rVersion")):
        yield Package("R", redact_text(version), language="R")
    for item in _list(section.get("cranPackages")):
        described = item if isinstance(item, dict) else {"name": item}
        source = redact_links(str(described.get("repository") or "")) or "CRAN"
        yield _to_r_package(described.get("name"), _text(described.get("version")), source)
    for item in _list(section.get("bioConductorPackages")):
        yield _to_r_package(item, "", "Bioconductor")
    for item in _list(section.get("gitHubPackages")):
        repository = str(item.get("repository") or "") if isinstance(item, dict) else str(item)
        match = _R_REPOSITORY.fullmatch(repository)
        yield Package(match["name"], source=f"https://github.com/{match[0]}", language="R") if match else _unread(item)
    for item in _list(section.get("customUrlPackages")):
        yield Unread(to_label(item))


def _to_r_package(name: object, version: str, source: str) -> Package | Unread:
    if not isinstance(name, str) or not _R_NAME.fullmatch(name):
        return _unread(name)
    return Package(name, redact_text(version), source=source, language="R")


def _list_spark(section: Json) -> Iterator[Specification]:
    """Yield the Maven packages of a Spark environment."""
    for item in _list(section.get("packages")):
        described = _object(item)
        group, artifact = _text(described.get("group")), _text(described.get("artifact"))
        if _MAVEN_NAME.fullmatch(group) and _MAVEN_NAME.fullmatch(artifact):
            version = redact_text(_text(described.get("version")))
            yield Package(f"{group}:{artifact}", version, source="Maven", language="JVM")
        else:
            yield _unread(item)


def _unite(packages: Iterable[Package]) -> tuple[Package, ...]:
    """Keep one package for each name, in the order of names: the last, or both where each has its own condition."""
    by_key: dict[str, Package] = {}
    for package in packages:
        known = by_key.get(package.key)
        by_key[package.key] = _either(known, package) if known and known.marker and package.marker else package
    return tuple(by_key[key] for key in sorted(by_key))


def _either(one: Package, other: Package) -> Package:
    if one.marker == other.marker:
        return other
    version = one.version if one.version == other.version else ""
    specifiers = dict.fromkeys(filter(None, (one.specifier, other.specifier)))
    return replace(
        other, version=version, specifier=" or ".join(specifiers), marker=f"({one.marker}) or ({other.marker})"
    )


def _unread(value: object) -> Unread:
    """Describe something by its type alone: its value may be a token."""
    return Unread(to_label(value) if isinstance(value, str) else f"an entry of type {type(value).__name__}")


def _is_true(value: object) -> bool:
    return str(value).casefold() == "true"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()
