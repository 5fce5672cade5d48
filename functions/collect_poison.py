"""Takes back what waits on the poison queue, where a message that fails comes again after ten minutes."""

import logging

import azure.functions as func

from functions import CONNECTION, POISON_QUEUE, QUEUE

logger = logging.getLogger(__name__)

bp = func.Blueprint()

LAST = 100
"""Deliveries of one message that may fail: 16 hours, of the seven days that it lives there."""


@bp.function_name("collect_poison")
@bp.queue_trigger(arg_name="msg", queue_name=POISON_QUEUE, connection=CONNECTION)
@bp.queue_output(arg_name="again", queue_name=QUEUE, connection=CONNECTION)
def collect_poison(msg: func.QueueMessage, again: func.Out[str]) -> None:
    """Put the message on the queue again, or store it as a dead letter; the host does the first if we cannot start."""
    try:
        from shared import bootstrap

        bootstrap.services().deliveries.collect_poison(bootstrap.to_message(msg))
    except Exception as error:
        if (msg.dequeue_count or 1) < LAST:
            raise
        logger.warning("a message changes its queue, where it gets a new life: the app fails with %s", type(error))
        again.set(msg.get_body().decode("utf-8", errors="replace"))
