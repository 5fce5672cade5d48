"""Publishes the lineage of what a message is about."""

import logging

import azure.functions as func

from functions import CONNECTION, POISON_QUEUE, QUEUE

logger = logging.getLogger(__name__)

bp = func.Blueprint()

LAST = 20
"""Deliveries of one message, 30 s apart, that may fail; then it waits where it comes every ten minutes."""


@bp.function_name("publish_lineage")
@bp.queue_trigger(arg_name="msg", queue_name=QUEUE, connection=CONNECTION)
@bp.queue_output(arg_name="later", queue_name=POISON_QUEUE, connection=CONNECTION)
def publish_lineage(msg: func.QueueMessage, later: func.Out[str]) -> None:
    """
    Hand the message to the handler; an exception sends it back to the queue, and after some to the poison queue.

    Only an app that cannot start, or whose storage refuses, raises. The host's own limit is out of reach: what it does
    with a message over it on a poison queue depends on the version of its extension.
    """
    try:
        from shared import bootstrap

        bootstrap.services().deliveries.publish(bootstrap.to_message(msg))
    except Exception as error:
        if (msg.dequeue_count or 1) < LAST:
            raise
        logger.warning("a message goes to the poison queue: the app fails with %s", type(error))
        later.set(msg.get_body().decode("utf-8", errors="replace"))
