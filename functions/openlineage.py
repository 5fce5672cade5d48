"""Takes OpenLineage events by HTTP, where the standard's clients send them, and puts them on the queue."""

import json

import azure.functions as func

bp = func.Blueprint()


@bp.function_name("openlineage")
@bp.route(route="v1/lineage", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
def openlineage(req: func.HttpRequest) -> func.HttpResponse:
    """
    Accept one event, or an array of them.

    Answers 201 once it is on the queue, 4xx with the reason if it cannot be taken; for an array as `openlineage_batch`.
    """
    return _receive(req)


@bp.function_name("openlineage_batch")
@bp.route(route="v1/lineage/batch", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
def openlineage_batch(req: func.HttpRequest) -> func.HttpResponse:
    """Accept an array of events; answers 200, or 207 if some cannot be taken, with which and why."""
    return _receive(req)


def _receive(req: func.HttpRequest) -> func.HttpResponse:
    from shared import bootstrap
    from shared.intake.receive import RefusedBodyError, receive_openlineage

    services = bootstrap.services()
    try:
        status, answer = receive_openlineage(
            req.get_body(),
            headers=req.headers,
            allowed=services.allowed,
            open_state=lambda: services.state,
            now=services.now,
        )
    except RefusedBodyError as error:
        status, answer = error.status, {"error": str(error)}
    return func.HttpResponse(json.dumps(answer), status_code=status, mimetype="application/json")
