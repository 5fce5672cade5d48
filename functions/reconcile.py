"""Looks for missed events and for what has changed since, on a schedule."""

import azure.functions as func

bp = func.Blueprint()


@bp.function_name("reconcile")
@bp.timer_trigger(arg_name="timer", schedule="%RECONCILE_SCHEDULE%", use_monitor=True, run_on_startup=False)
def reconcile(timer: func.TimerRequest) -> None:
    """Do one bounded tick; a tick that is past due needs nothing special, since each goes on where the last ended."""
    from shared import bootstrap

    bootstrap.services().reconciler.tick()
