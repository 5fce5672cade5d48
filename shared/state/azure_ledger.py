"""The ledger, the leases and the notes in one table of Azure Storage, and what a worker keeps in memory of them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from shared.cache import Cache
from shared.catalog.entities import Evidence, Ref
from shared.catalog.qualified_names import ParsedName, QualifiedName, is_of_endpoint, of_workspace, parse
from shared.catalog.serving import Serving
from shared.model import AssetId, WorkspaceId
from shared.places.matching import Match, MatchKind
from shared.places.place import BELOW_ROOT
from shared.state.azure_table import Document, DocumentTable, row_key
from shared.state.ports import (
    Lease,
    Ledger,
    Look,
    Placeholder,
    PlaceUse,
    Row,
    WrittenTree,
    digest_of,
    next_lease,
)
from shared.validation import members_of

_ROW, _TREE, _FINGERPRINT, _MATCH, _LEASE, _NOTE = "row", "tree", "fingerprint", "match", "lease", "note"
_FACT, _LOOK = "part", "look"
_PLACEHOLDER = "placeholder"
_ROW_MODEL, _ROW_ENDPOINT, _ROW_OTHER = "row-model", "row-endpoint", "row-other"
_PARTITIONS = {"run": _ROW, "model": _ROW_MODEL, "endpoint": _ROW_ENDPOINT, "deployment": _ROW_ENDPOINT}
"""Where the rows of a kind are: the few of models and endpoints are listed without those of all runs."""
_AT, _BELOW = "!", "."
"""After the key of a path: a run that used this very place, and the next segment of a longer path."""
_DEPTH = 32
"""Segments of a path that its key has; a key takes 512 characters."""
_FRESH = timedelta(minutes=1)
_CACHED = 20_000


class AzureLedger:
    """The ledger port."""

    def __init__(self, table: DocumentTable, *, now: Callable[[], datetime]) -> None:
        self._table = table
        self._now = now

    def get_rows(self, keys: Iterable[QualifiedName]) -> Mapping[QualifiedName, Row]:
        return {
            QualifiedName(key): _to_row(found)
            for partition, some in _by_partition(keys).items()
            for key, found in self._table.get_many(partition, some).items()
        }

    def put_rows(self, rows: Iterable[Row]) -> None:
        now = self._now().isoformat()
        documents = {
            str(row.key): {
                **asdict(row),
                "event_time": row.event_time.isoformat() if row.event_time else None,
                "evidence": [each.to_json() for each in row.evidence],
                "updated_at": now,
                "workspace": _workspace_of(row.key),
            }
            for row in rows
        }
        columns = ("kind", "outcome", "reason", "status", "event_id", "workspace")
        for partition, keys in _by_partition(map(QualifiedName, documents)).items():
            self._table.put_many(partition, {key: documents[key] for key in keys}, columns=columns)

    def put_look(self, look: Look) -> None:
        document = {**asdict(look), "at": look.at.isoformat()}
        self._table.put_timed(_LOOK, look.at, look.root, document)

    def list_looks(self, *, until: datetime, limit: int) -> Sequence[Look]:
        return [
            Look(**{**members_of(Look, document), "at": datetime.fromisoformat(document["at"])})
            for document in self._table.list_until(_LOOK, until, limit=limit)
        ]

    def forget_look(self, look: Look) -> None:
        self._table.delete_timed(_LOOK, look.at, look.root)

    def list_rows(
        self, kind: str, *, workspace: WorkspaceId | None = None, after: str = "", limit: int = 1_000
    ) -> Sequence[Row]:
        where = {"kind": kind, **({"workspace": of_workspace(workspace)} if workspace else {})}
        after = row_key(after) if after else ""
        page = self._table.list_page(_PARTITIONS.get(kind, _ROW_OTHER), where=where, after=after, limit=limit)
        return [_to_row(document) for document in page]

    def add_placeholders(self, placeholders: Iterable[Placeholder]) -> None:
        self._table.put_many(_PLACEHOLDER, {each.key: each.to_json() for each in placeholders})

    def list_placeholders(self, *, after: str = "", limit: int = 1_000) -> Sequence[Placeholder]:
        page = self._table.list_page(_PLACEHOLDER, where={}, after=row_key(after) if after else "", limit=limit)
        return [Placeholder.from_json(document) for document in page]

    def forget_placeholders(self, placeholders: Iterable[Placeholder]) -> None:
        self._table.delete_many(_PLACEHOLDER, [each.key for each in placeholders])

    def get_tree(self, root: QualifiedName) -> WrittenTree:
        models: dict[QualifiedName, set[QualifiedName]] = {}
        fingerprints: dict[QualifiedName, str] = {}
        uses: dict[QualifiedName, tuple[PlaceUse, ...]] = {}
        for document in self._table.list_below(_TREE, root):
            run = QualifiedName(document["name"])
            if "model" in document:
                models.setdefault(run, set()).add(QualifiedName(document["model"]))
            elif "uses" in document:
                uses[run] = tuple(map(PlaceUse.from_json, document["uses"]))
            elif "fingerprint" in document:
                fingerprints[run] = str(document["fingerprint"])
        return WrittenTree({run: frozenset(names) for run, names in models.items()}, fingerprints, uses)

    def add_to_tree(
        self,
        root: QualifiedName,
        *,
        models: Mapping[QualifiedName, Collection[QualifiedName]] | None = None,
        fingerprints: Mapping[QualifiedName, str] | None = None,
        uses: Mapping[QualifiedName, Collection[PlaceUse]] | None = None,
    ) -> None:
        documents: dict[str, Document] = {
            f"{run} {model}": {"name": run, "model": model} for run, names in (models or {}).items() for model in names
        }
        documents |= {
            str(name): {"name": name, "fingerprint": fingerprint} for name, fingerprint in (fingerprints or {}).items()
        }
        documents |= {
            _uses_of(run): {"name": run, "uses": [use.to_json() for use in of_run]}
            for run, of_run in (uses or {}).items()
        }
        self._table.put_many(_TREE, documents, below=root)

    def forget_tree(self, root: QualifiedName) -> None:
        written = self.get_tree(root)
        self._table.delete_many(_TREE, [*written.fingerprints, *map(_uses_of, written.uses)], below=root)

    def index_uses(self, uses: Iterable[PlaceUse], *, forget: Iterable[PlaceUse] = ()) -> None:
        self._table.delete_keys(
            [(_kind_of(use.is_output), key) for use in forget for key in (_key_of(use), _earlier_key_of(use))]
        )
        for kind, some in _by_kind(uses).items():
            self._table.put_many(kind, {_key_of(use): use.to_json() for use in some}, by_key=True)

    def find_uses_at(self, paths: Iterable[str], *, is_output: bool) -> Sequence[PlaceUse]:
        wanted = {f"{key_of_path(path)}{_AT}": path for path in paths}
        found = self._table.list_between(_kind_of(is_output), [(key, f"{key}~") for key in wanted])
        return [use for use in PlaceUse.list_from(found) if use.path in wanted.values()]

    def find_uses_below(self, path: str, *, is_output: bool, limit: int) -> Sequence[PlaceUse]:
        key = f"{key_of_path(path)}{_BELOW}"
        found = self._table.list_between(_kind_of(is_output), [(key, f"{key}~")], limit=limit)
        return [use for use in PlaceUse.list_from(found) if use.path.startswith(f"{path}/")]

    def add_facts(self, run: QualifiedName, facts: Iterable[str]) -> None:
        self._table.put_many(_FACT, {digest_of(fact): {"part": fact} for fact in facts}, below=run)

    def get_facts(self, run: QualifiedName) -> Sequence[str]:
        return sorted((str(document["part"]) for document in self._table.list_below(_FACT, run)), key=digest_of)

    def fold_facts(self, run: QualifiedName, facts: Iterable[str], *, into: str) -> None:
        self.add_facts(run, [into])
        self._table.delete_many(_FACT, [digest_of(fact) for fact in facts if fact != into], below=run)

    def get_fingerprints(self, names: Iterable[QualifiedName]) -> Mapping[QualifiedName, str]:
        found = self._table.get_many(_FINGERPRINT, names)
        return {QualifiedName(name): str(document["fingerprint"]) for name, document in found.items()}

    def put_fingerprints(self, fingerprints: Mapping[QualifiedName, str]) -> None:
        documents = {str(name): {"fingerprint": fingerprint} for name, fingerprint in fingerprints.items()}
        self._table.put_many(_FINGERPRINT, documents)

    def forget_fingerprints(self, names: Iterable[QualifiedName]) -> None:
        self._table.delete_many(_FINGERPRINT, list(names))

    def get_matches(self, places: Iterable[Ref], *, placeholders_since: datetime) -> Mapping[Ref, Match]:
        wanted = {_place_name(place): place for place in places}
        found = {}
        for name, document in self._table.get_many(_MATCH, wanted).items():
            ref = Ref(document["type_name"], QualifiedName(document["qualified_name"]))
            if document["kind"] not in set(MatchKind):
                continue  # a newer version found it, in a way that is not known here
            match = Match(ref, MatchKind(document["kind"]), document.get("rule") or "")
            stale = datetime.fromisoformat(document["at"]) < placeholders_since
            if not (match.kind is MatchKind.PLACEHOLDER and stale):
                found[wanted[name]] = match
        return found

    def put_matches(self, matches: Mapping[Ref, Match]) -> None:
        now = self._now().isoformat()
        documents = {
            _place_name(place): {
                "type_name": match.ref.type_name,
                "qualified_name": match.ref.qualified_name,
                "kind": match.kind.value,
                "rule": match.rule,
                "at": now,
            }
            for place, match in matches.items()
        }
        self._table.put_many(_MATCH, documents)

    def forget_matches(self, places: Iterable[Ref]) -> None:
        self._table.delete_many(_MATCH, [_place_name(place) for place in places])


class CachedLedger:
    """
    A ledger that remembers for a minute what it has read of shared assets and places; the rest it passes on.

    That saves a request for each data set, environment and storage path that an event shares with the one before. What
    another worker has written meanwhile is not seen for a minute. That is harmless: content we know to be new is
    written again, and content the other wrote stays. An endpoint may go back to what it was within a minute, so it
    is never remembered; nor is a placeholder, which a scan may replace.
    """

    def __init__(self, ledger: Ledger, *, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._fingerprints, self._matches = (
            Cache(size=_CACHED, seconds=_FRESH.total_seconds(), clock=lambda: now().timestamp()) for _ in range(2)
        )
        self.get_rows, self.put_rows, self.list_rows = ledger.get_rows, ledger.put_rows, ledger.list_rows
        self.get_tree, self.add_to_tree, self.forget_tree = ledger.get_tree, ledger.add_to_tree, ledger.forget_tree
        self.add_facts, self.get_facts, self.fold_facts = ledger.add_facts, ledger.get_facts, ledger.fold_facts
        self.put_look, self.list_looks, self.forget_look = ledger.put_look, ledger.list_looks, ledger.forget_look
        self.index_uses, self.find_uses_at = ledger.index_uses, ledger.find_uses_at
        self.add_placeholders, self.list_placeholders = ledger.add_placeholders, ledger.list_placeholders
        self.forget_placeholders = ledger.forget_placeholders
        self.find_uses_below = ledger.find_uses_below

    def get_fingerprints(self, names: Iterable[QualifiedName]) -> Mapping[QualifiedName, str]:
        return self._fingerprints.get_many(names, self._ledger.get_fingerprints, keep=_without_endpoints)

    def put_fingerprints(self, fingerprints: Mapping[QualifiedName, str]) -> None:
        self._ledger.put_fingerprints(fingerprints)
        self._fingerprints.put_many(_without_endpoints(fingerprints))

    def forget_fingerprints(self, names: Iterable[QualifiedName]) -> None:
        forgotten = list(names)
        self._ledger.forget_fingerprints(forgotten)
        self._fingerprints.forget(forgotten)

    def get_matches(self, places: Iterable[Ref], *, placeholders_since: datetime) -> Mapping[Ref, Match]:
        ask = partial(self._ledger.get_matches, placeholders_since=placeholders_since)
        return self._matches.get_many(places, ask, keep=_without_placeholders)

    def put_matches(self, matches: Mapping[Ref, Match]) -> None:
        self._ledger.put_matches(matches)
        self._matches.forget(matches)
        self._matches.put_many(_without_placeholders(matches))

    def forget_matches(self, places: Iterable[Ref]) -> None:
        forgotten = list(places)
        self._ledger.forget_matches(forgotten)
        self._matches.forget(forgotten)


class AzureLeases:
    """The lease port; the table's tags decide who of two was first."""

    def __init__(self, table: DocumentTable, *, now: Callable[[], datetime]) -> None:
        self._table = table
        self._now = now
        self._tags: dict[tuple[str, str], str] = {}  # of the leases we hold, so that renewing need not ask first

    def acquire(self, name: str, *, holder: str, duration: timedelta) -> Lease | None:
        document = self._document(holder, duration)
        found = self._table.get_tagged(_LEASE, name)
        lease, tag = None, ""
        if found is None:
            lease, tag = Lease(), self._table.insert(_LEASE, name, document)
        else:
            current = found[0]["holder"], datetime.fromisoformat(found[0]["ends_at"])
            lease = next_lease(current, holder, self._now(), duration)
            tag = self._table.replace(_LEASE, name, document, tag=found[1]) if lease else ""
        if lease and not tag:
            tag = self._tag_of(name, holder)  # another was first, or it was us and the answer was lost
        if tag:
            self._tags[name, holder] = tag
        return lease if tag else None

    def renew(self, name: str, *, holder: str, duration: timedelta) -> bool:
        tag = self._replace_own(name, holder, self._document(holder, duration))
        if tag:
            self._tags[name, holder] = tag
        return bool(tag)

    def release(self, name: str, *, holder: str) -> None:
        self._replace_own(name, holder, self._document("", timedelta(0)))

    def _replace_own(self, name: str, holder: str, document: Document) -> str:
        tag = self._tags.pop((name, holder), "")
        written = self._table.replace(_LEASE, name, document, tag=tag) if tag else ""
        if written:
            return written
        tag = self._tag_of(name, holder)  # it was lost, or the answer to an earlier write was
        return self._table.replace(_LEASE, name, document, tag=tag) if tag else ""

    def _document(self, holder: str, duration: timedelta) -> Document:
        return {"holder": holder, "ends_at": (self._now() + duration).isoformat()}

    def _tag_of(self, name: str, holder: str) -> str:
        found = self._table.get_tagged(_LEASE, name)
        return found[1] if found and found[0]["holder"] == holder else ""


class AzureNotes:
    """The notes port."""

    def __init__(self, table: DocumentTable) -> None:
        self._table = table

    def get(self, name: str) -> Mapping[str, object] | None:
        return self._table.get(_NOTE, name)

    def put(self, name: str, note: Mapping[str, object]) -> None:
        self._table.put_many(_NOTE, {name: note})

    def forget(self, name: str) -> None:
        self._table.delete_many(_NOTE, [name])

    def list_in(self, folder: str, *, after: str = "", limit: int = 1_000) -> Mapping[str, Mapping[str, Any]]:
        page = self._table.list_page(_folder(folder), where={}, after=row_key(after) if after else "", limit=limit)
        return {document["name"]: document["note"] for document in page}

    def put_in(self, folder: str, notes: Mapping[str, Mapping[str, object]]) -> None:
        self._table.put_many(_folder(folder), {name: {"name": name, "note": note} for name, note in notes.items()})

    def forget_in(self, folder: str, names: Iterable[str]) -> None:
        self._table.delete_many(_folder(folder), names)


def _folder(name: str) -> str:
    """Name the partition of a folder of notes."""
    return f"{_NOTE}-{row_key(name)[:32]}"


def _by_partition(keys: Iterable[QualifiedName]) -> dict[str, list[QualifiedName]]:
    """Group the keys of rows by where those are."""
    found: dict[str, list[QualifiedName]] = {}
    for key in keys:
        match parse(key):
            case ParsedName(kind="run" | "job_run"):
                partition = _ROW
            case ParsedName(kind="asset", asset=AssetId("models")):
                partition = _ROW_MODEL
            case ParsedName(kind="endpoint" | "deployment"):
                partition = _ROW_ENDPOINT
            case _:
                partition = _ROW_OTHER
        found.setdefault(partition, []).append(key)
    return found


def _workspace_of(key: QualifiedName) -> str:
    parsed = parse(key)
    return str(of_workspace(parsed.workspace)) if parsed and parsed.workspace else ""


def _without_endpoints(fingerprints: Mapping[QualifiedName, str]) -> Mapping[QualifiedName, str]:
    """Leave out endpoints and deployments, also as names of what was sent about them (`told/…`)."""
    return {
        name: each
        for name, each in fingerprints.items()
        if not is_of_endpoint(QualifiedName(name.removeprefix("told/")))
    }


def _without_placeholders(matches: Mapping[Ref, Match]) -> Mapping[Ref, Match]:
    return {place: match for place, match in matches.items() if match.kind is not MatchKind.PLACEHOLDER}


def key_of_path(path: str) -> str:
    """
    Make a key that begins as the key of each folder above: a digest of each segment, for keys take neither any
    character nor any length.

    >>> key_of_path("a/c//raw/x.csv").startswith(key_of_path("a/c//raw") + ".")
    True
    """
    root, _, below = path.partition(BELOW_ROOT)
    return _BELOW.join(digest_of(segment)[:12] for segment in (root, *below.split("/"))[:_DEPTH])


def _key_of(use: PlaceUse) -> str:
    return f"{key_of_path(use.path)}{_AT}{digest_of(' '.join(use.key))[:32]}"


def _earlier_key_of(use: PlaceUse) -> str:
    """Return the key by which an earlier version kept one use of a place by a run, whatever else it read there."""
    return f"{key_of_path(use.path)}{_AT}{digest_of(f'{use.path} {use.run}')[:32]}"


def _kind_of(is_output: bool) -> str:
    return "wrote" if is_output else "read"


def _by_kind(uses: Iterable[PlaceUse]) -> dict[str, list[PlaceUse]]:
    found: dict[str, list[PlaceUse]] = {}
    for use in uses:
        found.setdefault(_kind_of(use.is_output), []).append(use)
    return found


def _uses_of(run: QualifiedName) -> str:
    return f"{run} uses"


def _place_name(place: Ref) -> str:
    return f"{place.type_name} {place.qualified_name}"


def _to_row(document: Document) -> Row:
    times = {
        name: datetime.fromisoformat(document[name]) if document[name] else None
        for name in ("event_time", "updated_at")
    }
    evidence = tuple(Evidence.from_json(each) for each in document.get("evidence") or ())
    files = tuple(document.get("files") or ())
    served = tuple(map(Serving.from_json, document.get("served") or ()))
    made = {"key": QualifiedName(document["key"]), "evidence": evidence, "files": files, "served": served}
    return Row(**{**members_of(Row, document), **times, **made})
