"""Publishes the lineage of what a message is about."""

import azure.functions as func

from functions import CONNECTION, QUEUE

bp = func.Blueprint()


@bp.function_name("publish_lineage")
@bp.queue_trigger(arg_name="msg", queue_name=QUEUE, connection=CONNECTION)
def publish_lineage(msg: func.QueueMessage) -> None:
    """Hand the message to the handler; an exception sends it back to the queue."""
    from shared import bootstrap

    bootstrap.services().deliveries.publish(bootstrap.to_message(msg))
