"""What others stored is read: a newer version, before one went back to this one or beside it, and the host."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

from azure.data.tables import TableClient, TableServiceClient, UpdateMode
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from emulator.azurite import Azurite as Server
from shared.catalog.entities import Evidence
from shared.catalog.qualified_names import QualifiedName
from shared.catalog.serving import Serving
from shared.model import WorkspaceId
from shared.openlineage.job_run import Fact, Folded
from shared.reconciling.coverage import LOST, Gap, TickNote, read_lost
from shared.reconciling.progress import KnownEndpoint, Progress
from shared.settings import Azurite
from shared.state import azure_storage, sqlite
from shared.state.azure_storage import DEAD_LETTERS, POISON_QUEUE, QUEUE
from shared.state.ports import Placeholder, PlaceUse, read_folder
from tests.contract.stores import EVIDENCE, FACT, SERVED, USE, Clock, fill, read_all
from tests.harness.fakes import NOON
from tests.harness.storage import empty, no_token
from tests.unit.deliveries import PLAIN, Desk

NEW = {"of_a_newer_version": {"a": 1}}
WORKSPACE = WorkspaceId("00000000-0000-0000-0000-000000000000", "rg", "ws")


def newer(document: Mapping[str, Any], *objects: str) -> dict[str, Any]:
    """Add a member to a document, to each object in a list of it, and to others by name: some are mappings by a key."""
    inner = {name: _newer_items(value) for name, value in document.items()}
    return {**inner, **{name: {**inner[name], **NEW} for name in objects}, **NEW}


def _newer_items(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [{**{name: _newer_items(each) for name, each in item.items()}, **NEW} if isinstance(item, dict) else item
            for item in value]  # fmt: skip


def test_parts_of_rows_are_read_without_what_is_not_known() -> None:
    """Evidence of edges, uses of places, periods of a serving history, facts about a run."""
    assert Evidence.from_json({**EVIDENCE.to_json(), **NEW}) == EVIDENCE
    assert PlaceUse.from_json({**USE.to_json(), **NEW}) == USE
    assert Serving.from_json({**asdict(SERVED), **NEW}) == SERVED
    assert Fact.from_json(json.dumps(newer(json.loads(FACT.to_json())))) == FACT


def test_folded_facts_are_read_without_what_is_not_known() -> None:
    """Members that a newer version folds in are left out."""
    folded = Folded.of([FACT.to_json()])
    document = json.loads(folded.to_json())
    more = {"folded": newer(document["folded"]), **NEW}
    assert Folded.of([json.dumps(more)]) == folded


def test_notes_of_reconciling_are_read_without_what_is_not_known() -> None:
    """All that is in them, however deep."""
    database = sqlite.Database(":memory:", now=lambda: NOON)
    notes, progress = sqlite.SqliteNotes(database), Progress(WORKSPACE.arm_id)
    progress.runs.page, progress.data.page, progress.at = "p", "q", NOON.isoformat()
    progress.gaps["key"] = gap = Gap("run", "r", "", "because")
    progress.endpoints["key"] = known = KnownEndpoint("said", NOON.isoformat())
    progress.save(notes)
    folder = f"reconcile/{WORKSPACE.arm_id}"
    notes.put(folder, newer(dict(notes.get(folder) or {}), "runs", "data"))
    notes.put_in(folder, {name: {**row, **NEW} for name, row in read_folder(notes, folder).items()})
    notes.put_in(folder, {"a kind of a newer version": NEW})
    read = Progress.load(notes, WORKSPACE)
    assert (read.runs.page, read.data.page, read.gaps, read.at) == ("p", "q", {"key": gap}, progress.at)
    assert read.endpoints == {"key": known}
    notes.put_in(LOST, {"lost key": {**asdict(gap), **NEW}})
    assert read_lost(notes) == (gap,)
    note = TickNote(begun=(NOON.isoformat(),), ended=NOON.isoformat(), problems={"looks": "why"})
    notes.put("reconcile/tick", {**asdict(note), **NEW})
    assert TickNote.load(notes) == note
    waiting = Placeholder(QualifiedName("n"), QualifiedName("root"), QualifiedName("run"))
    assert Placeholder.from_json({**waiting.to_json(), **NEW}) == waiting


def write_as_newer(table: TableClient) -> None:
    """Write each row of a table as a newer version would: one more column, and one more member in the document."""
    for entity in list(table.list_entities()):
        document = newer(json.loads(str(entity["document"])))
        more = {**entity, "document": json.dumps(document), "of_a_newer_version": "new"}
        table.upsert_entity(more, mode=UpdateMode.REPLACE)


def test_table_and_blobs_of_a_newer_version_are_read(azurite_server: Server, clock: Clock) -> None:
    """Each document with a member more, and with one more column."""
    where = Azurite(azurite_server.base_port)
    empty(where)
    state = azure_storage.open_state(where, token=no_token, now=clock)
    fill(state)
    expected = read_all(state)
    state.close()
    with TableServiceClient.from_connection_string(azurite_server.connection_string) as tables:
        for item in tables.list_tables():
            write_as_newer(tables.get_table_client(item.name))
    with BlobServiceClient.from_connection_string(azurite_server.connection_string) as blobs:
        container = blobs.get_container_client(DEAD_LETTERS)
        for blob in container.list_blobs(include=["metadata"]):
            document = newer(json.loads(container.download_blob(blob.name).readall()))
            container.upload_blob(blob.name, json.dumps(document), overwrite=True, metadata=blob.metadata)
    again = azure_storage.open_state(where, token=no_token, now=clock)
    assert read_all(again) == expected
    assert again.ledger.get_rows([QualifiedName("azureml://other")]) == {}
    fill(again)
    assert read_all(again) == expected
    again.close()


def test_message_that_others_put_on_the_queue_as_text_is_received(azurite_server: Server, clock: Clock) -> None:
    """The Functions host encodes nothing, and moves to the poison queue what it was given."""
    where = Azurite(azurite_server.base_port)
    empty(where)
    text = '{"id": "é", "data": {"runId": "r"}}'
    with QueueServiceClient.from_connection_string(azurite_server.connection_string) as queues:
        queues.get_queue_client(QUEUE).send_message(text)
    state = azure_storage.open_state(where, token=no_token, now=clock)
    received = state.queue.receive(visibility=timedelta(minutes=1))
    assert received
    assert received.body == text
    state.queue.release(received, delay=timedelta(0))
    again = state.queue.receive(visibility=timedelta(minutes=1))
    assert again
    assert again.body == text
    state.close()


def test_poison_queue_of_more_than_a_page_is_drained_whatever_is_on_it(azurite_server: Server, clock: Clock) -> None:
    """Forty messages of ours, and two that are none and not encoded either."""
    where = Azurite(azurite_server.base_port)
    empty(where)
    state = azure_storage.open_state(where, token=no_token, now=clock)
    desk = Desk(sqlite.Database(":memory:", now=clock))
    with QueueServiceClient.from_connection_string(azurite_server.connection_string) as queues:
        for raw in ("{no JSON \ufffd", "AAEC/w=="):
            queues.get_queue_client(POISON_QUEUE).send_message(raw)
    for number in range(40):
        state.poison.put(replace(PLAIN, operation_id=f"op-{number}").to_json())
    assert desk.deliveries.drain_poison(state.poison, NOON + timedelta(minutes=4)) == 0
    assert {body.event for body in desk.queue.bodies} == {PLAIN.event, "{no JSON \ufffd", "AAEC/w=="}
    assert len(desk.queue.bodies) == 42
    state.close()
