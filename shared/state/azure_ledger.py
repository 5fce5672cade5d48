"""The ledger in one table of Azure Storage, and what a worker keeps in memory of it."""

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from functools import partial
from threading import local

from shared.cache import Cache
from shared.catalog.entities import Evidence, Ref
from shared.catalog.qualified_names import ParsedName, QualifiedName, is_of_endpoint, of_workspace, parse
from shared.catalog.serving import Serving
from shared.model import AssetId, WorkspaceId
from shared.places.matching import Match, MatchKind
from shared.places.place import BELOW_ROOT, folders_above
from shared.state.azure_leases import Seen
from shared.state.azure_table import ALL, END, PAST_HASHES, Document, DocumentTable, Stored, pack, row_key, timed_key
from shared.state.ports import Ledger, Look, Placeholder, PlaceUse, Row, WrittenTree, digest_of
from shared.validation import members_of

_ROW, _TREE, _FINGERPRINT, _MATCH, _LOOK, _FACT = "row", "tree", "fingerprint", "match", "look", "part"
_PLACEHOLDER = "placeholder"
"""What keys begin with; and partitions of an earlier version, which are read where ours has nothing."""
_MEMBERS = tuple(member.name for member in fields(Row))
_COLUMNS = ("kind", "outcome", "reason", "status", "event_id", "workspace")
_OWN, _BELOW, _AFTER = "!", ".", "/"
"""
In this order after the hash of a root: the row of the run, what was written of the tree, and the end. The key without
any of them is the lease. After the key of a path: the runs that used this very place, longer paths, and the end.
"""
_DEPTH = 32
"""Segments of a path that its key has; a key takes 512 characters."""
_FEW = 50
"""So much of a tree is read along with the row of its root."""
_AHEAD = 60.0
"""Seconds for which that counts as read. What is not true any more by then the lease's tag tells who writes."""
_AT_ONCE = 200
"""Uses of places in one folder that are read at once rather than place by place."""
_BUSY = 600.0
"""Seconds for which a folder is known to have more."""
_FRESH = timedelta(minutes=1)
_CACHED = 20_000
_SEGMENTS = {"run": "runs", "model": "models", "endpoint": "endpoints", "deployment": "endpoints"}
_PREFIXES = {"runs": "", "models": "row.models.", "endpoints": "row.endpoints.", "others": "row.others."}


class AzureLedger:
    """The ledger port."""

    def __init__(self, table: DocumentTable, seen: Seen, *, now: Callable[[], datetime]) -> None:
        self._table = table
        self._seen = seen
        self._now = now
        self._ahead = local()
        self._busy: dict[tuple[bool, str], float] = {}

    def together(self) -> AbstractContextManager[None]:
        return self._table.together()

    def get_rows(self, keys: Iterable[QualifiedName]) -> Mapping[QualifiedName, Row]:
        wanted = list(dict.fromkeys(keys))
        if len(wanted) == 1 and _segment(wanted[0]) == "runs":
            documents = {each.row: each.document for each in self._read_ahead(wanted[0])}
        else:
            documents = self._table.get_many(map(_place_of_row, wanted))
        rows = {key: _to_row(documents[place]) for key in wanted if (place := _place_of_row(key)) in documents}
        earlier = self._get_earlier(_ROW, [key for key in wanted if key not in rows])
        return rows | {QualifiedName(key): _to_row(document) for key, document in earlier.items()}

    def put_rows(self, rows: Iterable[Row]) -> None:
        now = self._now().isoformat()
        documents = {}
        for row in rows:
            documents[row.key] = {
                **{name: getattr(row, name) for name in _MEMBERS},
                "served": [asdict(each) for each in row.served],
                "event_time": row.event_time.isoformat() if row.event_time else None,
                "evidence": [each.to_json() for each in row.evidence],
                "updated_at": now,
                "workspace": _workspace_of(row.key),
            }
        self._table.put(
            {_place_of_row(key): pack(key, document, columns=_COLUMNS) for key, document in documents.items()}
        )

    def forget_rows(self, keys: Iterable[QualifiedName]) -> None:
        wanted = list(keys)
        self._table.delete(map(_place_of_row, wanted))
        self._delete_earlier(_ROW, list(map(row_key, wanted)))

    def put_look(self, look: Look) -> None:
        document = {**asdict(look), "at": look.at.isoformat()}
        self._table.put({f"{_LOOK}.{timed_key(look.at, look.root)}": pack(look.root, document)})

    def list_looks(self, *, until: datetime, limit: int) -> Sequence[Look]:
        end = f"{timed_key(until)}{_AFTER}"
        found = self._table.list_first(f"{_LOOK}.", f"{_LOOK}.{end}", limit)
        if self._table.holds(_LOOK):
            found += self._table.list_first("", end, limit, partition=_LOOK)
        looks = [
            Look(**{**members_of(Look, document), "at": datetime.fromisoformat(document["at"])})
            for _, document, _ in found
        ]
        return sorted(looks, key=lambda look: timed_key(look.at, look.root))[:limit]

    def forget_look(self, look: Look) -> None:
        key = timed_key(look.at, look.root)
        self._table.delete([f"{_LOOK}.{key}"])
        self._delete_earlier(_LOOK, [key])

    def list_rows(
        self, kind: str, *, workspace: WorkspaceId | None = None, after: str = "", limit: int = 1_000
    ) -> Sequence[Row]:
        segment = _SEGMENTS.get(kind, "others")
        prefix, where = _PREFIXES[segment], f"kind eq '{kind}'"
        own, name = where, of_workspace(workspace) if workspace else ""
        if workspace:
            own += " and workspace eq '{}'".format(name.replace("'", "''"))
        begin = f"{row_key(after)}{_OWN}{END}" if after else ""
        stored = self._table.list_first(f"{prefix}{begin}", f"{prefix}{PAST_HASHES}", limit, where=own)
        found = {row_key(row.key): row for row in (_to_row(each.document) for each in stored)}
        if self._table.holds(_ROW):
            some = 0
            for each in self._table.list_between(begin, PAST_HASHES, partition=_ROW, where=where):
                row = _to_row(each.document)
                if _segment(row.key) == segment and name in ("", _workspace_of(row.key)):
                    found.setdefault(each.row, row)
                    some += 1
                if some == limit:
                    break
        return [row for _, row in sorted(found.items())][:limit]

    def add_placeholders(self, placeholders: Iterable[Placeholder]) -> None:
        self._put(_PLACEHOLDER, {each.key: each.to_json() for each in placeholders})

    def list_placeholders(self, *, after: str = "", limit: int = 1_000) -> Sequence[Placeholder]:
        begin = f"{row_key(after)}{_OWN}" if after else ""
        found = self._table.list_first(f"{_PLACEHOLDER}{_BELOW}{begin}", f"{_PLACEHOLDER}{_AFTER}", limit)
        return [Placeholder.from_json(each.document) for each in found]

    def forget_placeholders(self, placeholders: Iterable[Placeholder]) -> None:
        self._table.delete(f"{_PLACEHOLDER}{_BELOW}{row_key(each.key)}" for each in placeholders)

    def forget_read_ahead(self) -> None:
        self._ahead.read = None

    def get_tree(self, root: QualifiedName) -> WrittenTree:
        models: dict[QualifiedName, set[QualifiedName]] = {}
        fingerprints: dict[QualifiedName, str] = {}
        uses: dict[QualifiedName, tuple[PlaceUse, ...]] = {}
        for document in self._list_tree(root):
            run = QualifiedName(document["name"])
            if "model" in document:
                models.setdefault(run, set()).add(QualifiedName(document["model"]))
            elif "uses" in document:
                uses[run] = tuple(map(PlaceUse.from_json, document["uses"]))
            elif "fingerprint" in document:
                fingerprints[run] = str(document["fingerprint"])
        return WrittenTree({run: frozenset(names) for run, names in models.items()}, fingerprints, uses)

    def _list_tree(self, root: QualifiedName) -> Iterator[Document]:
        key = row_key(root)
        found = self._take_ahead(key)
        if found is None:
            found = list(self._table.list_between(key, f"{key}{_AFTER}"))
            self._seen.note(key, found)
        begin = f"{key}{_BELOW}"
        own = {each.row: each.document for each in found if each.row.startswith(begin)}
        if self._table.holds(_TREE):
            earlier = self._table.list_between(begin, f"{key}{_AFTER}", partition=_TREE)
            own = {**{each.row: each.document for each in earlier}, **own}
        yield from own.values()

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
        below = f"{row_key(root)}{_BELOW}"
        self._table.put({f"{below}{row_key(name)}": pack(name, document) for name, document in documents.items()})

    def forget_tree(self, root: QualifiedName) -> None:
        written = self.get_tree(root)
        names = [*written.fingerprints, *map(_uses_of, written.uses)]
        keys = [f"{row_key(root)}{_BELOW}{row_key(name)}" for name in names]
        self._table.delete(keys)
        self._delete_earlier(_TREE, keys)

    def index_uses(self, uses: Iterable[PlaceUse], *, forget: Iterable[PlaceUse] = ()) -> None:
        gone = list(forget)
        self._table.delete(f"{_kind_of(use.is_output)}{_BELOW}{_key_of(use)}" for use in gone)
        for is_output in {use.is_output for use in gone}:
            some = [use for use in gone if use.is_output == is_output]
            self._delete_earlier(_kind_of(is_output), [*map(_key_of, some), *map(_earlier_key_of, some)])
        self._table.put(
            {f"{_kind_of(use.is_output)}{_BELOW}{_key_of(use)}": pack(use.path, use.to_json()) for use in uses}
        )

    def find_uses_at(self, paths: Iterable[str], *, is_output: bool) -> Sequence[PlaceUse]:
        return self.find_uses(paths, (), is_output=is_output)

    def find_uses(
        self, at: Iterable[str], inside: Iterable[str], *, is_output: bool, limit: int = 1_000
    ) -> Sequence[PlaceUse]:
        paths, folders = set(at), set(inside)
        by_top: dict[str, list[str]] = {}
        for path in sorted(paths | folders):
            by_top.setdefault((path, *folders_above(path))[-1], []).append(path)
        found: list[Stored] = []
        left: list[str] = []
        for top, some in by_top.items():
            whole = self._read_whole(top, is_output=is_output) if len(some) > 1 else None
            if whole is None:
                left += some
            else:
                found += whole
        kind = _kind_of(is_output)
        found += self._list_uses(
            f"{kind}{_BELOW}", [path for path in left if path in paths], {*left} & folders, limit=limit
        )
        if self._table.holds(kind):
            found = self._list_uses("", paths, folders, limit=limit, partition=kind) + found
        uses = PlaceUse.list_from(each.document for each in found)
        return [use for use in uses if use.path in paths or _is_inside(use.path, folders)]

    def _list_uses(
        self, prefix: str, at: Collection[str], inside: Collection[str], *, limit: int, partition: str = ALL
    ) -> list[Stored]:
        """List the uses of places, and up to a limit those inside folders, as few ranges as that takes."""

        def read(paths: Iterable[str], *, at: bool, inside: bool) -> list[list[Stored]]:
            ranges = [_range_of(path, at=at, inside=inside) for path in paths]
            ends = [(f"{prefix}{first}", f"{prefix}{end}") for first, end in ranges]
            return self._table.list_ranges(ends, partition=partition, limit=limit if inside else 0)

        both = sorted({*at} & {*inside})
        found = dict(zip(both, read(both, at=True, inside=True), strict=True))
        full = [path for path, some in found.items() if len(some) >= limit]  # those of the place count for no limit
        listed = [some for path, some in found.items() if path not in full]
        listed += read([path for path in at if path not in both or path in full], at=True, inside=False)
        listed += read([path for path in inside if path not in both or path in full], at=False, inside=True)
        return [each for some in listed for each in some]

    def _read_whole(self, top: str, *, is_output: bool) -> list[Stored] | None:
        """Return all uses of places in a folder; None if they are many."""
        known = self._busy.get((is_output, top))
        if known is not None and time.monotonic() - known < _BUSY:
            return None
        first, end = _range_of(top, at=True, inside=True)
        kind = _kind_of(is_output)
        found = self._table.list_first(f"{kind}{_BELOW}{first}", f"{kind}{_BELOW}{end}", _AT_ONCE)
        if len(found) < _AT_ONCE:
            return found
        self._busy[is_output, top] = time.monotonic()
        return None

    def add_facts(self, run: QualifiedName, facts: Iterable[str]) -> None:
        below = f"{row_key(run)}{_BELOW}"
        documents = {f"{below}{row_key(digest_of(fact))}": pack(digest_of(fact), {"part": fact}) for fact in facts}
        self._table.put(documents, partition=_FACT)

    def get_facts(self, run: QualifiedName) -> Sequence[str]:
        key = row_key(run)
        found = self._table.list_between(f"{key}{_BELOW}", f"{key}{_AFTER}", partition=_FACT)
        return sorted((str(each.document["part"]) for each in found), key=digest_of)

    def fold_facts(self, run: QualifiedName, facts: Iterable[str], *, into: str) -> None:
        self.add_facts(run, [into])
        folded = {f"{row_key(run)}{_BELOW}{row_key(digest_of(fact))}" for fact in facts if fact != into}
        self._table.delete(folded, partition=_FACT)

    def get_fingerprints(self, names: Iterable[QualifiedName]) -> Mapping[QualifiedName, str]:
        found = self._get(_FINGERPRINT, names)
        return {QualifiedName(name): str(document["fingerprint"]) for name, document in found.items()}

    def put_fingerprints(self, fingerprints: Mapping[QualifiedName, str]) -> None:
        self._put(_FINGERPRINT, {name: {"fingerprint": fingerprint} for name, fingerprint in fingerprints.items()})

    def forget_fingerprints(self, names: Iterable[QualifiedName]) -> None:
        self._delete(_FINGERPRINT, names)

    def get_matches(self, places: Iterable[Ref], *, placeholders_since: datetime) -> Mapping[Ref, Match]:
        wanted = {_place_name(place): place for place in places}
        found = {}
        for name, document in self._get(_MATCH, wanted).items():
            ref = Ref(document["type_name"], QualifiedName(document["qualified_name"]))
            if document["kind"] not in set(MatchKind):
                continue  # a newer version found it, in a way that is not known here
            others = tuple(Ref(type_name, QualifiedName(each)) for type_name, each in document.get("others") or ())
            match = Match(ref, MatchKind(document["kind"]), document.get("rule") or "", others)
            stale = datetime.fromisoformat(document["at"]) < placeholders_since
            if not (match.kind is MatchKind.PLACEHOLDER and stale):
                found[wanted[name]] = match
        return found

    def get_matches_at_hand(self, places: Iterable[Ref], *, placeholders_since: datetime) -> Mapping[Ref, Match]:
        return {}

    def put_matches(self, matches: Mapping[Ref, Match]) -> None:
        now = self._now().isoformat()
        documents = {
            _place_name(place): {
                "type_name": match.ref.type_name,
                "qualified_name": match.ref.qualified_name,
                "kind": match.kind.value,
                "rule": match.rule,
                "others": [[each.type_name, each.qualified_name] for each in match.others],
                "at": now,
            }
            for place, match in matches.items()
        }
        self._put(_MATCH, documents)

    def forget_matches(self, places: Iterable[Ref]) -> None:
        self._delete(_MATCH, map(_place_name, places))

    def forget_old_matches(self, *, before: datetime, after: str = "", limit: int = 1_000) -> str:
        page = self._table.list_first(after or f"{_MATCH}{_BELOW}", f"{_MATCH}{_AFTER}", limit)
        self._table.delete(each.row for each in page if datetime.fromisoformat(each.document["at"]) < before)
        return f"{page[-1].row}{_OWN}" if len(page) == limit else ""

    def _get(self, kind: str, names: Iterable[str]) -> Mapping[str, Document]:
        keys = {name: f"{kind}{_BELOW}{row_key(name)}" for name in names}
        found = self._table.get_many(keys.values())
        documents = {name: found[key] for name, key in keys.items() if key in found}
        return documents | self._get_earlier(kind, [name for name in keys if name not in documents])

    def _put(self, kind: str, documents: Mapping[str, Document]) -> None:
        self._table.put(
            {f"{kind}{_BELOW}{row_key(name)}": pack(name, document) for name, document in documents.items()}
        )

    def _delete(self, kind: str, names: Iterable[str]) -> None:
        keys = list(map(row_key, names))
        self._table.delete(f"{kind}{_BELOW}{key}" for key in keys)
        self._delete_earlier(kind, keys)

    def _get_earlier(self, kind: str, names: Collection[str]) -> dict[str, Document]:
        """Return what an earlier version wrote of names that ours has nothing of."""
        if not names or not self._table.holds(kind):
            return {}
        keys = {row_key(name): name for name in names}
        return {keys[key]: document for key, document in self._table.get_many(keys, partition=kind).items()}

    def _delete_earlier(self, kind: str, keys: Collection[str]) -> None:
        if keys and self._table.holds(kind):
            self._table.delete(keys, partition=kind)

    def _read_ahead(self, run: QualifiedName) -> list[Stored]:
        """Read the row of a run, and its tree along with it: who asks for the one most often asks for the other."""
        key = row_key(run)
        found = self._table.list_first(key, f"{key}{_AFTER}", _FEW)
        self._ahead.read = (key, time.monotonic(), found) if len(found) < _FEW else None
        return found

    def _take_ahead(self, key: str) -> list[Stored] | None:
        """Return a tree that this thread has just read, once."""
        ahead, self._ahead.read = getattr(self._ahead, "read", None), None
        if ahead is None or ahead[0] != key or time.monotonic() - ahead[1] > _AHEAD:
            return None
        found: list[Stored] = ahead[2]
        self._seen.note(key, found)
        return found


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
        self.forget_rows, self.forget_old_matches = ledger.forget_rows, ledger.forget_old_matches
        self.forget_read_ahead = ledger.forget_read_ahead
        self.get_tree, self.add_to_tree, self.forget_tree = ledger.get_tree, ledger.add_to_tree, ledger.forget_tree
        self.add_facts, self.get_facts, self.fold_facts = ledger.add_facts, ledger.get_facts, ledger.fold_facts
        self.put_look, self.list_looks, self.forget_look = ledger.put_look, ledger.list_looks, ledger.forget_look
        self.index_uses, self.find_uses_at, self.find_uses = ledger.index_uses, ledger.find_uses_at, ledger.find_uses
        self.add_placeholders, self.list_placeholders = ledger.add_placeholders, ledger.list_placeholders
        self.forget_placeholders = ledger.forget_placeholders
        self.together = ledger.together

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

    def get_matches_at_hand(self, places: Iterable[Ref], *, placeholders_since: datetime) -> Mapping[Ref, Match]:
        return self._matches.get_many(places, lambda _: {})

    def put_matches(self, matches: Mapping[Ref, Match]) -> None:
        self._ledger.put_matches(matches)
        self._matches.forget(matches)
        self._matches.put_many(_without_placeholders(matches))

    def forget_matches(self, places: Iterable[Ref]) -> None:
        forgotten = list(places)
        self._ledger.forget_matches(forgotten)
        self._matches.forget(forgotten)


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
    return f"{key_of_path(use.path)}{_OWN}{digest_of(' '.join(use.key))[:32]}"


def _earlier_key_of(use: PlaceUse) -> str:
    """Return the key by which an earlier version kept one use of a place by a run, whatever else it read there."""
    return f"{key_of_path(use.path)}{_OWN}{digest_of(f'{use.path} {use.run}')[:32]}"


def _kind_of(is_output: bool) -> str:
    return "wrote" if is_output else "read"


def _range_of(path: str, *, at: bool, inside: bool) -> tuple[str, str]:
    """Return between which keys the uses of a place are, those of places inside it, or both."""
    key = key_of_path(path)
    return f"{key}{_OWN if at else _BELOW}", f"{key}{_AFTER if inside else _BELOW}"


def _is_inside(path: str, folders: Collection[str]) -> bool:
    return any(path[: slash.start()] in folders for slash in re.finditer("/", path))


def _segment(key: str) -> str:
    """Return with what a row is listed: `runs`, `models` or `endpoints`; `others` for anything else."""
    match parse(key):
        case ParsedName(kind="run" | "job_run"):
            return "runs"
        case ParsedName(kind="asset", asset=AssetId("models")):
            return "models"
        case ParsedName(kind="endpoint" | "deployment"):
            return "endpoints"
    return "others"


def _workspace_of(key: QualifiedName) -> str:
    parsed = parse(key)
    return of_workspace(parsed.workspace) if parsed and parsed.workspace else ""


def _place_of_row(key: str) -> str:
    """
    Return where the row of something is kept: with its tree if it is a run, else where lists find those of its kind.

    >>> _place_of_row("azureml://subscriptions/s/resourcegroups/g/workspaces/w/models/m/versions/1").startswith("row.models.")
    True
    """
    segment = _segment(key)
    return f"{_PREFIXES[segment]}{row_key(key)}{_OWN}"


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
