"""Takes events from Event Grid and puts them on the queue, interpreting nothing."""

import json

import azure.functions as func

from functions import CONNECTION, QUEUE

bp = func.Blueprint()


@bp.function_name("receive_event")
@bp.event_grid_trigger(arg_name="event")
@bp.queue_output(arg_name="message", queue_name=QUEUE, connection=CONNECTION)
def receive_event(event: func.EventGridEvent, message: func.Out[str], context: func.Context) -> None:
    """
    Accept one event. The message is written after we return; if that fails the host answers 500 and it comes again.
    """
    from shared import bootstrap
    from shared.intake.message import EVENT_GRID
    from shared.intake.receive import receive_event as receive

    bootstrap.start_telemetry()
    text = receive(
        json.dumps(_to_raw(event)),
        operation_id=str(context.invocation_id),
        source=EVENT_GRID,
        now=bootstrap.utc_now,
        open_dead_letters=lambda: bootstrap.services().dead_letters,
        traceparent=str(getattr(context.trace_context, "trace_parent", "") or ""),
    )
    if text is not None:
        message.set(text)


def _to_raw(event: func.EventGridEvent | func.CloudEvent) -> dict[str, object]:
    """Undo the decoding: the payload and not the annotation decides which class comes, and one parser reads both."""
    if isinstance(event, func.CloudEvent):
        members = {
            "specversion": event.specversion,
            "id": event.id,
            "source": event.source,
            "type": event.type,
            "subject": event.subject,
            "time": event.time.isoformat() if event.time else None,
            "data": event.get_json(),
        }
    else:
        members = {
            "id": event.id,
            "topic": event.topic,
            "subject": event.subject,
            "eventType": event.event_type,
            "eventTime": event.event_time.isoformat() if event.event_time else None,
            "dataVersion": event.data_version,
            "data": event.get_json(),
        }
    return {name: value for name, value in members.items() if value is not None}
