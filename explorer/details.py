"""What is known of one node: attributes, versions, settings, packages, metrics, links, classifications."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from explorer.reading import Reading
from explorer.scene import READ
from questions.asset_facts import is_data, metrics_of, settings_of, version_of
from questions.audit import format_serving
from questions.origin import list_classified
from shared.catalog.kinds import ENDPOINT, METRICS, MODEL, PACKAGES, SETTINGS, STEP
from shared.clouds import cloud_of_purview
from shared.purview.reader import INPUT, OUTPUT, Asset

_ELSEWHERE = frozenset({"name", "qualifiedName", "displayName", "studio_url", "tags", "parameters", "metrics"})


@dataclass(frozen=True, slots=True)
class Version:
    """Another version of the same asset."""

    name: str
    guid: str
    qualified_name: str


@dataclass(frozen=True, slots=True)
class Section:
    """A titled table of names and values."""

    title: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Details:
    """
    What the panel shows.

    Attributes:
        contains: classification → the source data that carries it, for what was made of classified data.
        links: words → address.
        versions: all of them, newest first, itself included; empty for what has none.
    """

    asset: Asset
    sections: tuple[Section, ...]
    links: tuple[tuple[str, str], ...]
    versions: tuple[Version, ...]
    contains: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def comparable(self) -> bool:
        return self.asset.type_name == MODEL and len(self.versions) > 1


def read_details(reading: Reading, guid: str) -> Details | None:
    """Read what is known of an asset; None if the catalog does not have it any more."""
    asset = reading.read([guid]).get(guid)
    if asset is None:
        return None
    versions = tuple(Version(hit.name, hit.guid, str(hit.ref.qualified_name)) for hit in reading.versions(asset))
    return Details(
        asset,
        tuple(section for section in _sections(reading, asset) if section.rows),
        tuple(_links(asset, reading.endpoint)),
        versions if len(versions) > 1 else (),
        _contains(reading, asset),
    )


def _sections(reading: Reading, asset: Asset) -> Iterator[Section]:
    makers = [asset]
    if asset.type_name == MODEL:
        makers = [each for each in reading.read(_guids(asset, INPUT)).values() if each.type_name == STEP]
    near = {
        each.guid: each
        for maker in makers
        for each in reading.read((*_guids(maker, INPUT), *_guids(maker, OUTPUT))).values()
        if maker.type_name == STEP
    }
    for title, type_name in (("Metrics", METRICS), ("Settings", SETTINGS), ("Packages", PACKAGES)):
        own = [each for each in (asset, *near.values()) if each.type_name == type_name]
        yield Section(title, tuple(row for each in own for row in _rows(reading, each)))
    if asset.type_name == ENDPOINT:
        yield Section("Served", tuple((each.since, format_serving(each)) for each in reversed(reading.served(asset))))
    values = sorted((name, str(value)) for name, value in asset.attributes.items() if name not in _ELSEWHERE)
    yield Section("Attributes", tuple((name, value) for name, value in values if value not in ("0", "")))
    yield Section("Tags", _texts(asset.attributes.get("tags")))


def _rows(reading: Reading, asset: Asset) -> list[tuple[str, str]]:
    if asset.type_name == METRICS:
        return sorted(metrics_of(asset).items())
    if asset.type_name == SETTINGS:
        return sorted(settings_of(asset).items())
    packages = reading.read(each.guid for each in asset.related.get("package", ())).values()
    return sorted((package.name, version_of(package) or "any version") for package in packages)


def _guids(asset: Asset, direction: str) -> tuple[str, ...]:
    return tuple(each.guid for each in asset.next(direction))


def _texts(text: object) -> tuple[tuple[str, str], ...]:
    """Read the JSON object that an attribute holds; anything else is shown as it is."""
    try:
        members = json.loads(str(text or "{}"))
    except ValueError:
        members = None
    if not isinstance(members, dict):
        return (("", str(text)),)
    return tuple(sorted((str(name), str(value)) for name, value in members.items()))


def _contains(reading: Reading, asset: Asset) -> tuple[tuple[str, tuple[str, ...]], ...]:
    met = reading.met(each for each in reading.walk([asset.guid], INPUT, limit=READ) if each != asset.guid)
    upstream = reading.read(guid for guid, other in met.items() if is_data(other) or other.type_name == MODEL)
    return tuple(
        (each.classification, tuple(sorted(other.name for other in each.data)))
        for each in list_classified(reading.read, tuple(upstream.values()))
    )


def _links(asset: Asset, endpoint: str) -> Iterable[tuple[str, str]]:
    studio = str(asset.attributes.get("studio_url") or "")
    if urlsplit(studio).scheme == "https":
        yield "Open in Azure ML Studio", studio
    if url := purview_url(endpoint, asset.guid):
        yield "Open in Microsoft Purview", url


def purview_url(endpoint: str, guid: str) -> str:
    """
    Link to an asset in Purview's governance portal; "" where the endpoint does not name the account.

    >>> purview_url("https://contoso.purview.azure.com", "7f3a")
    'https://web.purview.azure.com/resource/contoso/main/catalog/entity?guid=7f3a&section=lineage'
    >>> purview_url("https://127.0.0.1:5000", "7f3a")
    ''
    """
    account, _, domain = (urlsplit(endpoint).hostname or "").partition(".")
    if cloud_of_purview(domain) is None:
        return ""
    return (
        f"https://web.{domain}/resource/{quote(account)}/main/catalog/entity"
        f"?guid={quote(guid, safe='')}&section=lineage"
    )
