"""The recipe for a new event type, followed with an invented one: each place that it must reach is checked."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from shared.intake.allow_list import AllowList, read_event
from shared.intake.envelopes import compact_event, parse_envelope, redact_event
from shared.intake.event_types import (
    EVENT_TYPES,
    EventType,
    ModelSubject,
    Nothing,
    Subject,
    is_known,
    parse_event,
    subscribed_types,
)
from shared.intake.message import MessageBody
from shared.intake.receive import receive_event
from shared.model import AssetId
from tests.harness.fakes import FakeDeadLetters
from tests.recipes.event_type_places import types_in_docs, types_in_setup, types_in_template
from tests.unit.examples import ARM_ID, event_grid

INVENTED = "DataRegistered"
EVENT = event_grid(
    INVENTED, "data/loan:3", {"dataName": "password=strength", "dataVersion": "3", "other": {"big": "x" * 9_000}}
)


def parse_data(_: str, data: Mapping[str, object]) -> Subject:
    """Read what an invented event about a data asset says."""
    return ModelSubject(AssetId("data", str(data["dataName"]), str(data["dataVersion"])))


@pytest.fixture
def invented(monkeypatch: pytest.MonkeyPatch) -> EventType:
    """Add the row that the recipe asks for."""
    row = EventType(parse_data, {"dataName": (), "dataVersion": ()})
    monkeypatch.setitem(EVENT_TYPES, INVENTED, row)
    return row


@pytest.mark.usefixtures("invented")
def test_invented_type_passes_the_receiver_whole() -> None:
    """What the receiver keeps and redacts is what the row says that the parser reads."""
    message = receive_event(
        json.dumps(EVENT), source="test", now=lambda: datetime.now(UTC), open_dead_letters=FakeDeadLetters
    )
    assert message is not None
    assert len(message) < 1_000
    body = MessageBody.parse(message, message_id="m").event
    assert read_event(body, AllowList((ARM_ID,))).subject == ModelSubject(AssetId("data", "password=strength", "3"))


@pytest.mark.usefixtures("invented")
def test_invented_type_is_asked_for_by_setup_and_missed_in_template_and_docs() -> None:
    """The table is what `lineage setup` subscribes to; the template and the docs are compared with it."""
    assert is_known(f"Microsoft.MachineLearningServices.{INVENTED}")
    assert INVENTED in types_in_setup()
    assert types_in_setup() - types_in_template() == {INVENTED}
    assert EVENT_TYPES.keys() - types_in_docs().keys() == {INVENTED}


def test_template_and_docs_have_the_types_of_the_table() -> None:
    """A type that is added to one of them and not to the others fails here."""
    assert types_in_template() == types_in_setup() == {name.rpartition(".")[2] for name in subscribed_types()}
    assert types_in_docs() == {name: each.subscribed for name, each in EVENT_TYPES.items()}


def test_parser_that_reads_a_member_which_its_row_does_not_list_finds_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So the mistake shows in the first test of the parser, not in production after the receiver dropped the member."""
    monkeypatch.setitem(EVENT_TYPES, INVENTED, EventType(parse_data, {"dataName": ()}))
    with pytest.raises(KeyError, match="dataVersion"):
        parse_event(parse_envelope(json.dumps(EVENT)))
    row = EventType(lambda _, data: Nothing(json.dumps(data)), {"other": ("small",)})
    monkeypatch.setitem(EVENT_TYPES, INVENTED, row)
    assert parse_event(parse_envelope(json.dumps(EVENT))).subject == Nothing('{"other": {}}')


def test_every_member_that_a_row_lists_survives_compaction_and_redaction() -> None:
    """Whatever its casing: the receiver sees events before their keys are brought into one form."""
    for name, row in EVENT_TYPES.items():
        free = dict.fromkeys(row.free_text, "tells nothing")
        data = {member.upper(): dict.fromkeys(inner, "v") if inner else "v" for member, inner in row.members.items()}
        data |= {member.upper(): text for member, text in free.items()}
        event = json.dumps(compact_event(event_grid(name, "s", data)))
        assert json.loads(redact_event(event))["data"] == data


def test_type_that_names_nothing_is_redacted_where_its_text_is_free() -> None:
    """The name of a drift monitor is free text."""
    event = event_grid("DatasetDriftDetected", "datadrift/d", {"dataDriftName": "monitor password=hunter2"})
    assert "hunter2" not in redact_event(json.dumps(compact_event(event)))
    assert isinstance(parse_event(parse_envelope(json.dumps(event))).subject, Nothing)
