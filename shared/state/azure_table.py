"""JSON documents by name in one table of Azure Storage."""

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import TableClient, UpdateMode

from shared.http.errors import translated_errors

Document = Mapping[str, Any]
_Sliced = TypeVar("_Sliced", list[dict[str, Any]], bytes)

PARALLEL = 16
"""Requests in flight at once; a table has no request that reads many rows by key."""
_IN_TRANSACTION = 100
_IN_PROPERTY = 30_000
"""Characters or bytes; a property takes 64 KiB, and a character two bytes of it."""


class DocumentTable:
    """
    Documents of several kinds; a kind is a partition, so that one transaction writes many and a list needs no scan.

    A row key takes neither any length nor any character, so it is the hash of the name, which is a column beside it.
    A table answers about a name at a time: reads of many names go out in parallel.
    """

    def __init__(self, client: TableClient) -> None:
        self._client = client
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="table")

    def get_many(self, kind: str, names: Iterable[str]) -> dict[str, Document]:
        """Return the documents that exist."""
        wanted = list(dict.fromkeys(names))
        found = [self.get(kind, wanted[0])] if len(wanted) == 1 else self._pool.map(lambda n: self.get(kind, n), wanted)
        return {name: document for name, document in zip(wanted, found, strict=True) if document is not None}

    def get(self, kind: str, name: str) -> Document | None:
        found = self.get_tagged(kind, name)
        return found[0] if found else None

    def get_tagged(self, kind: str, name: str) -> tuple[Document, str] | None:
        """Return a document and the tag that `replace` wants to see."""
        with self._errors("get_entity"):
            try:
                entity = self._client.get_entity(kind, row_key(name))
            except ResourceNotFoundError as error:
                if str(getattr(error, "error_code", "")).endswith("TableNotFound"):
                    raise
                return None
        return _unpack(entity), str(entity.metadata["etag"])

    def put_many(
        self,
        kind: str,
        documents: Mapping[str, Document],
        *,
        columns: Sequence[str] = (),
        below: str = "",
        by_key: bool = False,
    ) -> None:
        """
        Write documents over what is there.

        Args:
            columns: members that people and filters see as well.
            below: the owner they are listed with.
            by_key: the names are row keys, the order of which means something.
        """
        entities = [_pack(kind, name, document, columns) for name, document in documents.items()]
        for entity in entities if below else ():
            entity["RowKey"] = f"{row_key(below)}.{entity['RowKey']}"
        for entity in entities if by_key else ():
            entity["RowKey"] = entity["name"]
        for chunk in _chunks(entities, _IN_TRANSACTION):
            self._upsert(chunk)

    def _upsert(self, entities: Sequence[dict[str, Any]]) -> None:
        together = [entity for entity in entities if "part0" not in entity]  # a transaction takes four megabytes
        if len(together) == 1:
            together = []  # a transaction of one costs three times the work
        with self._errors("upsert_entity"):
            if together:
                operations = [("upsert", entity, {"mode": UpdateMode.REPLACE}) for entity in together]
                self._client.submit_transaction(operations)
            for entity in entities if not together else (each for each in entities if "part0" in each):
                self._client.upsert_entity(entity, mode=UpdateMode.REPLACE)

    def list_below(self, kind: str, owner: str) -> list[Document]:
        """Return all documents that were put below an owner, a thousand to a request."""
        key = row_key(owner)
        query = f"PartitionKey eq '{kind}' and RowKey gt '{key}.' and RowKey lt '{key}/'"
        with self._errors("query_entities"):
            return [_unpack(entity) for entity in self._client.query_entities(query)]

    def list_between(self, kind: str, ranges: Sequence[tuple[str, str]], *, limit: int = 0) -> list[Document]:
        """Return the documents whose row keys lie between two others, of each range up to `limit` if there is one."""
        found = self._pool.map(lambda ends: self._list_between(kind, *ends, limit=limit), ranges)
        return [document for some in found for document in some]

    def _list_between(self, kind: str, first: str, last: str, *, limit: int) -> list[Document]:
        query = "PartitionKey eq @kind and RowKey ge @first and RowKey lt @last"
        parameters = {"kind": kind, "first": first, "last": last}
        with self._errors("query_entities"):
            entities = self._client.query_entities(query, parameters=parameters)
            return [_unpack(entity) for entity in (islice(entities, limit) if limit else entities)]

    def list_page(self, kind: str, *, where: Mapping[str, str], after: str, limit: int) -> list[Document]:
        """Return documents in the order of their row keys, from the one after `after`."""
        conditions = ["PartitionKey eq @partition", *(f"{name} eq @{name}" for name in where)]
        conditions += ["RowKey gt @after"] if after else []
        query, parameters = " and ".join(conditions), {"partition": kind, "after": after, **where}
        with self._errors("query_entities"):
            pages = self._client.query_entities(query, parameters=parameters, results_per_page=limit).by_page()
            found: list[Document] = []
            for page in pages:
                found += [_unpack(entity) for entity in page]
                if len(found) >= limit:
                    break
        return found[:limit]

    def insert(self, kind: str, name: str, document: Document) -> str:
        """Write a document unless there is one; returns its tag, or "" if there is one."""
        with self._errors("create_entity"):
            try:
                return str(self._client.create_entity(_pack(kind, name, document, ()))["etag"])
            except ResourceExistsError:
                return ""

    def replace(self, kind: str, name: str, document: Document, *, tag: str) -> str:
        """Write a document over the one with a tag; returns the new tag, or "" if that one is not there any more."""
        with self._errors("update_entity"):
            try:
                written = self._client.update_entity(
                    _pack(kind, name, document, ()),
                    mode=UpdateMode.REPLACE,
                    etag=tag,
                    match_condition=MatchConditions.IfNotModified,
                )
            except (ResourceModifiedError, ResourceNotFoundError):
                return ""
        return str(written["etag"])

    def delete_many(self, kind: str, names: Iterable[str], *, below: str = "") -> None:
        """Delete documents, those that were put below an owner or those that were not; absent ones do not matter."""
        owner = f"{row_key(below)}." if below else ""
        list(self._pool.map(lambda name: self._delete(kind, f"{owner}{row_key(name)}"), dict.fromkeys(names)))

    def put_timed(self, kind: str, at: datetime, name: str, document: Document) -> None:
        """Write a document that is listed by a time."""
        self._upsert([{**_pack(kind, name, document, ()), "RowKey": _timed_key(at, name)}])

    def list_until(self, kind: str, until: datetime, *, limit: int) -> list[Document]:
        """Return documents whose time has come, in its order."""
        query = f"PartitionKey eq '{kind}' and RowKey lt '{_timed_key(until)}/'"
        with self._errors("query_entities"):
            pages = self._client.query_entities(query, results_per_page=limit).by_page()
            return [_unpack(entity) for entity in next(pages, ())]

    def delete_timed(self, kind: str, at: datetime, name: str) -> None:
        self._delete(kind, _timed_key(at, name))

    def delete_keys(self, keys: Iterable[tuple[str, str]]) -> None:
        """Delete documents by kind and row key."""
        list(self._pool.map(lambda key: self._delete(*key), dict.fromkeys(keys)))

    def _delete(self, kind: str, key: str) -> None:
        with self._errors("delete_entity"):
            self._client.delete_entity(kind, key)  # of no effect if there is none

    def _errors(self, call: str) -> AbstractContextManager[None]:
        what = f"{call} in table {self._client.table_name}"
        role = "the role Storage Table Data Contributor"
        return translated_errors(what, needs=role, service="Azure Storage", keeps_records=False)


def row_key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _timed_key(at: datetime, name: str = "") -> str:
    """Begin a row key with a time, in the order of which the table keeps rows; `/` comes after `.` and all digits."""
    moment = at.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
    return f"{moment}.{row_key(name)}" if name else moment


def _pack(kind: str, name: str, document: Document, columns: Sequence[str]) -> dict[str, Any]:
    text = json.dumps(dict(document))
    entity = {"PartitionKey": kind, "RowKey": row_key(name), "name": name[:_IN_PROPERTY]}
    entity |= {column: str(document.get(column, ""))[:_IN_PROPERTY] for column in columns}
    if len(text) <= _IN_PROPERTY:
        return {**entity, "document": text}
    parts = enumerate(_chunks(zlib.compress(text.encode()), _IN_PROPERTY))
    return {**entity, **{f"part{number}": part for number, part in parts}}


def _unpack(entity: Mapping[str, Any]) -> Document:
    text = entity.get("document")
    if text is None:
        parts = sorted((name for name in entity if name.startswith("part")), key=lambda name: int(name[4:]))
        text = zlib.decompress(b"".join(entity[name] for name in parts)).decode()
    document: Document = json.loads(text)
    return document


def _chunks(values: _Sliced, size: int) -> Iterator[_Sliced]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
