"""Dead-letters what the host gave up on."""

import azure.functions as func

from functions import CONNECTION, POISON_QUEUE

bp = func.Blueprint()


@bp.function_name("collect_poison")
@bp.queue_trigger(arg_name="msg", queue_name=POISON_QUEUE, connection=CONNECTION)
def collect_poison(msg: func.QueueMessage) -> None:
    """Store the message as a dead letter; until that succeeds it stays on the poison queue."""
    from shared import bootstrap

    bootstrap.services().deliveries.collect_poison(bootstrap.to_message(msg))
