"""Reads one line of an environment's specification: a requirement of pip's, or a match specification of conda's."""

import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, unquote

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from shared.model import Package
from shared.redaction import redact_links, redact_text


@dataclass(frozen=True, slots=True)
class IncludedFile:
    """A file of requirements or constraints that a line refers to."""

    name: str


@dataclass(frozen=True, slots=True)
class Unread:
    """A line in which no package is recognised, without its secrets."""

    text: str


Specification = Package | IncludedFile | Unread

_LABEL_LENGTH = 100
_COMMENT = re.compile(r"(?:^|\s)#.*", re.DOTALL)
_OPTION = re.compile(r"(?P<name>-[A-Za-z]|--[A-Za-z][A-Za-z-]*)[\s=]*(?P<value>.*)", re.DOTALL)
_OPTIONS_OF_REQUIREMENT = re.compile(r"\s--?[A-Za-z].*", re.DOTALL)
_INCLUDES = frozenset({"-r", "--requirement", "-c", "--constraint"})
_EDITABLE = frozenset({"-e", "--editable"})
_SETTING = re.compile(
    r"-[ifUZ]|--(?:(?:extra-)?index-url|pypi-url|find-links|trusted-host|pre|prefer-binary|only-binary|no-[a-z-]+"
    r"|use-[a-z0-9-]+|allow-[a-z-]+|require-hashes|hash|upgrade|always-unzip|process-dependency-links)"
)
"""Options that tell pip how to install, and not what."""

_ADDRESS = re.compile(
    r"[a-z][a-z0-9+.-]*:|(?:git|hg|svn|bzr)\+|\.{0,2}[/\\]|\.{1,2}(?:$|[\s;\[])"
    r"|[^\s;@]*\.(?:whl|zip|tar\.gz|tar\.bz2|tgz)(?=$|[\s;\[#])",
    re.IGNORECASE,
)
_EXTRAS = re.compile(r"\[[^\[\]]*\]$")
_REQUIREMENT = re.compile(r"\s*[A-Za-z0-9][\w.-]*\s*(?:\[[^\]]*\])?\s*(?P<specifier>[^;@]*)", re.ASCII)
_OLD_PIN = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?\s*)==(?P<rest>\s*[\w.+!-]+\s*(?:;.*)?)", re.ASCII)
"""A pin to a version which PEP 440 does not know; pip took it until 24.1, as `===` takes it still."""

_CONDA = re.compile(
    r"(?:(?P<channel>[^\s\[]+)::)?(?P<name>[A-Za-z0-9_][\w.-]*)"
    r"(?P<constraint>(?:\s|(?=[=<>!~(]))[\w.*+!<>=~|,()^$\s-]*)?(?:\[(?P<members>.*)\])?",
    re.ASCII,
)
_CONDA_MEMBER = re.compile(r"\b(\w+)\s*=\s*(?:'([^']*)'|\"([^\"]*)\"|([^,\s'\"]+))", re.ASCII)
_CONDA_PIN = re.compile(r"={0,3}(?P<version>[A-Za-z0-9][\w.!+]*)(?:=[^=]*)?", re.ASCII)
_CONDA_FILE = re.compile(r"(?P<name>[\w.-]+)-(?P<version>[\w.!+]+)-[\w.+]+\.(?:conda|tar\.bz2)", re.ASCII)
_SPACE_AT_OPERATOR = re.compile(r"(?<=[=<>!~,|])\s+|\s+(?=[=<>!~,|])")


def parse_pip(line: str) -> Specification | None:
    """
    Read a line as pip's requirements files have it; None if it asks for nothing: a comment, a setting.

    https://pip.pypa.io/en/stable/reference/requirements-file-format/

    >>> parse_pip("pandas[excel]==2.2.0 ; python_version > '3.8'").version
    '2.2.0'
    """
    text = _COMMENT.sub("", line).strip().removesuffix("\\").rstrip()
    if not text:
        return None
    if option := _OPTION.fullmatch(text):
        return _parse_option(option["name"], option["value"])
    text = _OPTIONS_OF_REQUIREMENT.sub("", text)
    return _parse_address(text) if _ADDRESS.match(text) else _parse_requirement(text)


def _parse_option(name: str, value: str) -> Specification | None:
    if name in _INCLUDES:
        return IncludedFile(to_label(value)) if value else Unread(name)
    if name in _EDITABLE:
        return _parse_address(value.strip("'\"")) if value else Unread(name)
    return None if _SETTING.fullmatch(name) else Unread(name)  # its value may be anything, a password too


def _parse_requirement(text: str) -> Package | Unread:
    requirement = _read_requirement(text)
    if requirement is None:
        return Unread(to_label(text))
    pins = {
        item.version
        for item in requirement.specifier
        if item.operator in ("==", "===") and not item.version.endswith(".*")
    }
    written = None if requirement.url else _REQUIREMENT.match(text)
    package = Package(
        requirement.name,
        version=pins.pop() if len(pins) == 1 else "",
        specifier=written["specifier"].strip(" ()") if written else "",
        extras=tuple(sorted(requirement.extras)),
        marker=redact_text(str(requirement.marker or "")),
        source=redact_links(requirement.url or ""),
    )
    _, version = _read_file_name(requirement.url or "", of=requirement.name)
    return replace(package, version=version) if version else package


def _parse_address(text: str) -> Package | Unread:
    """Read a URL or a path; the package's name is in the name of a wheel or in `#egg=`, or nowhere."""
    address, _, marker = text.partition("; ")
    bare, _, fragment = address.strip().partition("#")
    extras = _EXTRAS.search(bare)
    bare = bare.removesuffix(extras[0]) if extras else bare
    name, version = _read_file_name(bare)
    named = f"{name}{extras[0] if extras else ''}" if name else parse_qs(fragment).get("egg", [""])[0]
    package = _parse_requirement(f"{named}; {marker}" if marker.strip() else named)
    if isinstance(package, Unread):
        return Unread(to_label(text))
    return replace(package, version=version or package.version, source=redact_links(bare))


def _read_requirement(text: str) -> Requirement | None:
    old_pin = _OLD_PIN.fullmatch(text)
    for form in (text, f"{old_pin['name']}==={old_pin['rest']}") if old_pin else (text,):
        try:
            return Requirement(form)
        except (InvalidRequirement, RecursionError):
            continue
    return None


def _read_file_name(address: str, *, of: str = "") -> tuple[str, str]:
    """
    Return name and version of a package by the name of its file.

    Any wheel's name has both; that of a source archive only if the package is known, because the archives which
    repositories offer are named after a tag.
    """
    file = unquote(re.split(r"[/\\]", re.split(r"[?#]", address)[0])[-1])
    try:
        if file.endswith(".whl"):
            canonical = parse_wheel_filename(file)[0]
            name, version = file.split("-")[:2]
        else:
            canonical = parse_sdist_filename(file)[0] if of else canonicalize_name("")
            name, _, version = file.removesuffix(".zip").removesuffix(".tar.gz").rpartition("-")
    except (InvalidWheelFilename, InvalidSdistFilename):
        return "", ""
    return (name, version) if canonical and canonical == canonicalize_name(of or name) else ("", "")


def parse_conda(line: str) -> Specification | None:
    """
    Read a line as conda's environment files have it, in any form of its match specifications.

    `=1.2` counts as a pin although conda takes it for `1.2.*`: it is how versions are written in conda files.
    https://docs.conda.io/projects/conda/en/stable/user-guide/concepts/pkg-specs.html

    >>> parse_conda("conda-forge::numpy=1.26.4=py310h_0").version
    '1.26.4'
    """
    text = line.partition("#")[0].strip()
    if not text:
        return None
    file = _CONDA_FILE.fullmatch(re.split(r"[/\\]", text)[-1])
    if file:
        return Package(file["name"], file["version"], source=redact_links(text))
    match = _CONDA.fullmatch(text)
    if match is None:
        return Unread(to_label(text))
    members = {key: "".join(values) for key, *values in _CONDA_MEMBER.findall(match["members"] or "")}
    specifier = members.get("version") or match["constraint"] or ""
    return Package(
        match["name"],
        version=_read_conda_pin(specifier),
        specifier=redact_text(specifier.strip()),
        source=redact_links(members.get("url") or members.get("channel") or match["channel"] or ""),
    )


def _read_conda_pin(specifier: str) -> str:
    version, *_build = _SPACE_AT_OPERATOR.sub("", " ".join(specifier.split())).split() or [""]
    if "|" in version:
        return ""
    pins = {match["version"] for part in version.split(",") if (match := _CONDA_PIN.fullmatch(part))}
    return pins.pop() if len(pins) == 1 else ""


def to_label(value: object) -> str:
    """Describe something that could not be read, in a few words and without its secrets."""
    opening, separator, link = str(value).strip().partition("://")
    if separator and len(words := link.split(maxsplit=1)) > 1:
        link = f"{words[0]} …"  # the password in a URL may have a space in it, so nothing that follows is shown
    text = redact_links(f"{opening}{separator}{link}")
    return text if len(text) <= _LABEL_LENGTH else f"{text[:_LABEL_LENGTH]} …"
