"""What an event asks of the table, and the CPU time of that, against how it was before and a bare loop."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from azure.data.tables import TableClient, UpdateMode
from rich.table import Table

from benchmarks.emulated import Emulated, no_token, running_emulator
from benchmarks.throughput import WARM_UP, completed_runs, post_bare, start_again, to_message
from emulator.azurite import Azurite
from shared.bootstrap import Services
from shared.settings import Azurite as AzuriteSetting
from shared.settings import Settings
from shared.state.azure_storage import TABLE, Storage
from shared.state.ports import Message
from shared.state.table_service import Entity, TableService, Write

EVENTS = 200
MOST = 6
"""Requests to the table that one event may cost."""
LEAST_GAIN = 4
_RECORDED = Path(__file__).with_name("table_requests_before.json")
"""
What 20 events of this scenario asked before a tree, its rows and its lease were written together: get, put, insert,
replace and batch with the characters of each document, query with those of each that was found. It went through
azure-data-tables.
"""

Asked = list[list[Any]]
"""The requests of one event."""


def measure_table(events: int = EVENTS) -> Table:
    """Publish in this process, and replay what that asked of the table, and what it asked before."""
    table = Table(title=f"{events} completed runs: what one asks of the table, and its CPU time in this process")
    for heading in ("", "table requests", "CPU ms\nof those", "CPU ms\nin all", "times the\nbare loop", "of before"):
        table.add_column(heading, justify="right")
    before: list[Asked] = json.loads(_RECORDED.read_text(encoding="utf-8"))
    with Azurite() as azurite, running_emulator("empty") as emulated:
        now, used, payloads = _publish(emulated, azurite, events)
        _, bare = post_bare(emulated, payloads)
        ours, theirs = _replay_ours(azurite, now), _replay_theirs(azurite, before)
    in_all = used - ours + theirs
    rows = [
        ("bare loop", 0.0, 0.0, bare),
        ("before", _count(before), theirs, in_all),
        ("now", _count(now), ours, used),
    ]
    for name, count, of_table, total in rows:
        share = f"1/{in_all / total:.1f}" if name == "now" else ""
        table.add_row(name, f"{count:.1f}", f"{of_table:.1f}", f"{total:.1f}", f"{total / bare:.1f}", share)
    table.caption = f"goals: at most {MOST} requests, 1/{LEAST_GAIN} of the CPU time before"
    return table


def count_requests(events: int) -> float:
    """Return how many requests to the table an event costs."""
    with Azurite() as azurite, running_emulator("empty") as emulated:
        return _count(_publish(emulated, azurite, events)[0])


def _count(asked: Sequence[Asked]) -> float:
    return sum(map(len, asked)) / len(asked)


def _publish(emulated: Emulated, azurite: Azurite, events: int) -> tuple[list[Asked], float, list[bytes]]:
    """Return what each event asked, the CPU time of one in ms, and the bodies of all bulk writes."""
    wanted = completed_runs(emulated, events + WARM_UP)
    start_again(emulated, len(wanted))
    settings = Settings.from_env({**emulated.environment, "LINEAGE_STORAGE": f"azurite:{azurite.base_port}"})
    services, payloads, asked = Services(settings), list[bytes](), list[Asked]()

    def record(response: requests.Response, *_: Any, **__: Any) -> None:
        if response.request.method == "POST" and str(response.request.path_url).partition("?")[0].endswith("/bulk"):
            payloads.append(response.request.body)  # type: ignore[arg-type]

    services.catalog.install_types()
    services.queue.count()
    services.purview._session.hooks["response"].append(record)
    with _recorded(asked):
        for number, event in enumerate(wanted):
            if number == WARM_UP:
                used = time.process_time()
            asked.append([])
            services.deliveries.publish(Message(str(number), to_message(event), 1, ""))
    used = 1000 * (time.process_time() - used) / events
    services.state.close()
    return asked[WARM_UP:], used, payloads


@contextmanager
def _recorded(asked: list[Asked]) -> Iterator[None]:
    """Note what is asked of any table with the last of the events."""
    get, query, write = TableService.get, TableService.query, TableService.write

    def noted_get(table: TableService, partition: str, row: str) -> tuple[Entity, str] | None:
        found = get(table, partition, row)
        asked[-1].append(["get", _size(found[0]) if found else 0])
        return found

    def noted_query(table: TableService, *args: Any, **options: Any) -> Iterator[list[Entity]]:
        for page in query(table, *args, **options):
            asked[-1].append(["query", *map(_size, page)])
            yield page

    def noted_write(table: TableService, writes: Sequence[Write]) -> list[str]:
        if writes:
            asked[-1].append(["batch" if len(writes) > 1 else "put", *(_size(each.entity or {}) for each in writes)])
        return write(table, writes)

    noting: dict[str, Any] = {"get": noted_get, "query": noted_query, "write": noted_write}
    plain: dict[str, Any] = {"get": get, "query": query, "write": write}
    for name, method in noting.items():
        setattr(TableService, name, method)
    try:
        yield
    finally:
        for name, method in plain.items():
            setattr(TableService, name, method)


def _size(entity: Entity) -> int:
    return len(str(entity.get("document") or ""))


def _replay_ours(azurite: Azurite, asked: Sequence[Asked]) -> float:
    """Return the CPU time of one event in ms: as many requests of the same kinds and sizes, with our client."""
    storage = Storage(AzuriteSetting(azurite.base_port), no_token)
    table = storage.table()

    def send(number: int, place: int, kind: str, sizes: Sequence[int]) -> None:
        rows = [f"{number}.{place}.{each}" for each in range(len(sizes))]
        if kind == "get":
            table.get("ours", rows[0])
        elif kind == "query":
            list(table.query("ours", f"{number}.{place}.", f"{number}.{place}/", tags=True))
        else:
            table.write([Write("ours", row, _entity(size)) for row, size in zip(rows, sizes, strict=True)])

    def prepare(number: int, place: int, sizes: Sequence[int]) -> None:
        rows = [Write("ours", f"{number}.{place}.{each}", _entity(size)) for each, size in enumerate(sizes) if size]
        table.write(rows[:100])

    used = _time(asked, prepare, send)
    storage.close()
    return used


def _replay_theirs(azurite: Azurite, asked: Sequence[Asked]) -> float:
    """Return the same with Microsoft's client, which had one session for all requests."""
    storage = Storage(AzuriteSetting(azurite.base_port), no_token)
    client = TableClient(
        storage._endpoint("table"), TABLE, credential=storage._credential, transport=storage._transport
    )

    def rows(number: int, place: int, sizes: Sequence[int]) -> list[dict[str, str]]:
        keys = [{"PartitionKey": "theirs", "RowKey": f"{number}.{place}.{each}"} for each in range(len(sizes))]
        return [{**key, **_entity(size)} for key, size in zip(keys, sizes, strict=True)]

    def send(number: int, place: int, kind: str, sizes: Sequence[int]) -> None:
        entities = rows(number, place, sizes)
        if kind == "get":
            try:
                client.get_entity("theirs", entities[0]["RowKey"])
            except Exception:  # noqa: BLE001 - absent, as it was
                return
        elif kind == "query":
            first, last = f"{number}.{place}.", f"{number}.{place}/"
            query = f"PartitionKey eq 'theirs' and RowKey ge '{first}' and RowKey lt '{last}'"
            list(client.query_entities(query))
        elif kind == "batch":
            client.submit_transaction([("upsert", each, {"mode": UpdateMode.REPLACE}) for each in entities])
        else:
            client.upsert_entity(entities[0], mode=UpdateMode.REPLACE)

    def prepare(number: int, place: int, sizes: Sequence[int]) -> None:
        for entity, size in zip(rows(number, place, sizes), sizes, strict=True):
            if size:
                client.upsert_entity(entity)

    used = _time(asked, prepare, send)
    storage.close()
    return used


def _time(asked: Sequence[Asked], prepare: Any, send: Any) -> float:
    for number, of_event in enumerate(asked):
        for place, (kind, *sizes) in enumerate(of_event):
            if kind in ("get", "query"):
                prepare(number, place, sizes)
    used = time.process_time()
    for number, of_event in enumerate(asked):
        for place, (kind, *sizes) in enumerate(of_event):
            send(number, place, kind, sizes)
    return 1000 * (time.process_time() - used) / len(asked)


def _entity(size: int) -> dict[str, str]:
    """Make an entity with a document of a size, as JSON as any."""
    return {"name": "n" * 120, "document": json.dumps({"name": "x" * 100, "fingerprint": "f" * max(0, size - 130)})}
