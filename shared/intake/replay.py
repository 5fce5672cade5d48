"""
Puts events on the queue again: those that a person wants published, and those that an outage made dead letters.

Reads those that Event Grid could not deliver.
"""

import json
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from shared.errors import MalformedEventError, TerminalError
from shared.intake.allow_list import AllowList, read_any_event
from shared.intake.envelopes import split_events
from shared.intake.message import REPLAY, describe_error
from shared.intake.receive import RefusedBodyError, list_messages, recorded_refusal, refuse_lost_body
from shared.publishing.plan import Skip
from shared.state.ports import DeadLetter, State, digest_of, read_folder

OUTAGES = ("AccessDenied", "ServiceUnavailable")
"""Reasons of dead letters that say nothing about the event: a service was down, or a role or a setting was wrong."""
FOREIGN = ("ForeignWorkspace", "ForeignJob")
"""Reasons of dead letters that say that the allow-list did not take the event."""
_TAKEN = "allow-list"
"""The note on the allow-list with which what was foreign was looked through last."""
_ON_THEIR_WAY = "replayed"
"""The folder of notes on dead letters whose message is on the queue again."""
_WAY = timedelta(days=2)
"""Longer than a message waits for what may get better."""
_ROUNDS = 10
"""Times that one dead letter is put on the queue again, each for about a day."""
BODY_LIMIT = 1024 * 1024
EVENT_LIMIT = 500

logger = logging.getLogger(__name__)


def replay_events(
    body: bytes,
    *,
    headers: Mapping[str, str],
    dry_run: bool,
    allowed: AllowList,
    open_state: Callable[[], State],
    now: Callable[[], datetime],
) -> list[dict[str, str]]:
    """
    Put events on the queue that can be read and come from a workspace on the allow-list.

    Args:
        headers: those of the request, by their names in lower case.

    Returns:
        For each event `result`: `enqueued`, `would_enqueue` or `refused`, and then `operation_id` or `reason`.

    Raises:
        RefusedBodyError: too large, too many events, or none.
    """
    with recorded_refusal(REPLAY):
        refuse_lost_body(body, headers)
        events = _split(body)
    results = []
    for event in events:
        event_id, refused = _read(event, allowed)
        if refused:
            results.append({"result": "refused", "reason": refused})
        elif dry_run:
            results.append({"result": "would_enqueue", "event_id": event_id})
        else:
            results.append(_enqueue(event, event_id, open_state(), now=now))
    logger.info(
        "replay of %d events",
        len(events),
        extra={
            "requester": headers.get("x-ms-client-principal-name") or "holder of the function key",
            "dry_run": dry_run,
            "enqueued": sum(result["result"] == "enqueued" for result in results),
        },
    )
    return results


def _split(body: bytes) -> list[str]:
    if len(body) > BODY_LIMIT:
        raise RefusedBodyError(413, f"the body has {len(body)} bytes; send at most {BODY_LIMIT}")
    try:
        events = split_events(body.decode())
    except UnicodeDecodeError as error:
        raise RefusedBodyError(400, f"body: is not UTF-8 ({error.reason})") from error
    if len(events) > EVENT_LIMIT:
        raise RefusedBodyError(413, f"there are {len(events)} events; send at most {EVENT_LIMIT}")
    if not events or not body.strip():
        raise RefusedBodyError(400, "body: has no event")
    return events


def _read(event: str, allowed: AllowList) -> tuple[str, str]:
    """Return the id of an event, and why it is refused; "" if it is not."""
    try:
        read = read_any_event(event, allowed)
    except TerminalError as error:
        return "", ": ".join(describe_error(error))
    return ("", read.reason) if isinstance(read, Skip) else (read.id, "")


def _enqueue(event: str, event_id: str, state: State, *, now: Callable[[], datetime]) -> dict[str, str]:
    operation_id = uuid.uuid4().hex
    messages = list_messages(
        event, operation_id=operation_id, source=REPLAY, now=now, open_dead_letters=lambda: state.dead_letters
    )
    if not messages:
        return {"result": "refused", "reason": "OversizedEvent: it is a dead letter now", "operation_id": operation_id}
    for message in messages:
        state.queue.put(message)
    return {"result": "enqueued", "event_id": event_id, "operation_id": operation_id}


def replay_after_outage(state: State, allowed: AllowList, *, now: Callable[[], datetime]) -> int:
    """
    Put events on the queue again that became dead letters while a service refused, or that the allow-list takes by now;
    returns how many.

    A dead letter stays open until its message has ended well, which closes it. Until then a note says that it is on
    its way, and it is not put there again unless it was stored again or the message must be lost. After `_ROUNDS` of
    that it is left to people.
    """
    letters = state.dead_letters.name_open(OUTAGES)
    sent = read_folder(state.notes, _ON_THEIR_WAY)
    state.notes.forget_in(_ON_THEIR_WAY, sent.keys() - letters.keys())
    until = now() - _WAY
    names = [
        name
        for name, at in letters.items()
        if name not in sent
        or (int(sent[name].get("times", 1)) < _ROUNDS and datetime.fromisoformat(sent[name]["at"]) < max(at, until))
    ]
    due = [letter for name in names[:EVENT_LIMIT] if (letter := state.dead_letters.get(name))]
    digest = digest_of(json.dumps([sorted(allowed.prefixes), sorted(allowed.jobs)]))
    foreign = _read_foreign(state, digest)
    due += (letter for letter in foreign if not _read(letter.body, allowed)[1])
    for letter in due:
        messages = list_messages(
            letter.body, source=REPLAY, now=now, open_dead_letters=lambda: state.dead_letters, closes=letter.id
        )
        for message in messages:
            state.queue.put(message)
        if messages and letter.id in letters:
            times = int(sent.get(letter.id, {}).get("times", 0)) + 1
            state.notes.put_in(_ON_THEIR_WAY, {letter.id: {"at": now().isoformat(), "times": times}})
    if foreign:
        state.notes.put(_TAKEN, {"digest": digest})
    return len(due)


def _read_foreign(state: State, digest: str) -> list[DeadLetter]:
    """Read what was refused as foreign, the youngest of it, if the allow-list was another when that was done last."""
    names = list(state.dead_letters.name_open(FOREIGN))[-EVENT_LIMIT:]
    if not names or (state.notes.get(_TAKEN) or {}).get("digest") == digest:
        return []
    return [letter for name in names if (letter := state.dead_letters.get(name))]


class Undelivered(Protocol):
    """
    The files of events that Event Grid could not deliver. Every method may raise ServiceUnavailableError,
    AccessDeniedError and RequestRefusedError, and RecordNotFoundError where there is no such file.
    """

    def list_names(self, *, since: datetime | None = None) -> Iterator[str]:
        """Return the files that were not replayed yet and were written at a time or later."""
        ...

    def read(self, name: str) -> bytes: ...

    def mark_replayed(self, name: str) -> None:
        """Move a file to those that were replayed; of no effect if it is gone."""
        ...

    def close(self) -> None: ...


def read_undelivered(content: bytes) -> list[str]:
    """
    Read the events of a file that Event Grid has left.

    Raises:
        MalformedEventError: it is not UTF-8, not JSON, or neither an event nor an array.

    >>> read_undelivered(b'[{"id": "e", "deadLetterReason": "MaxDeliveryAttemptsExceeded"}]')
    ['{"id": "e", "deadLetterReason": "MaxDeliveryAttemptsExceeded"}']
    """
    try:
        text = content.decode("utf-8-sig")
        members = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedEventError("file", f"is not JSON in UTF-8 ({error})") from error
    if not isinstance(members, dict | list):
        raise MalformedEventError("file", f"is a JSON {type(members).__name__}, neither an event nor an array of them")
    return split_events(text)
