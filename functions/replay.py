"""Takes events by HTTP and puts them on the queue again."""

import json

import azure.functions as func

bp = func.Blueprint()


@bp.function_name("replay")
@bp.route(route="replay", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
def replay(req: func.HttpRequest) -> func.HttpResponse:
    """
    Replay the events in the body; only with `?dry_run=false` is anything put on the queue.

    Answers 202 with a result for each event, 400, 411 or 413 with the reason if the body as a whole cannot be taken.
    """
    from shared import bootstrap
    from shared.intake.receive import RefusedBodyError
    from shared.intake.replay import replay_events

    services = bootstrap.services()
    try:
        results = replay_events(
            req.get_body(),
            headers=req.headers,
            dry_run=req.params.get("dry_run", "true").casefold() != "false",
            allowed=services.allowed,
            open_state=lambda: services.state,
            now=services.now,
        )
    except RefusedBodyError as error:
        return _answer(error.status, {"error": str(error)})
    return _answer(202, {"results": results})


def _answer(status: int, body: object) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(body), status_code=status, mimetype="application/json")
