"""Answers whether the app is alive, and whether what it needs can be reached."""

import json

import azure.functions as func

bp = func.Blueprint()


@bp.function_name("live")
@bp.route(route="health/live", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def live(req: func.HttpRequest) -> func.HttpResponse:
    """Answer without doing anything: the process runs. The worker awaits it without taking one of its threads."""
    return func.HttpResponse(status_code=204)


@bp.function_name("ready")
@bp.route(route="health/ready", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
def ready(req: func.HttpRequest) -> func.HttpResponse:
    """Check settings, bindings, storage, token and catalog; 503 within 5 seconds if one of them is not right."""
    import os

    from shared import bootstrap
    from shared.readiness import check_readiness

    probes = check_readiness(bootstrap.services, os.environ)
    body = json.dumps({probe.name: probe.problem or probe.state for probe in probes})
    status = 503 if any(probe.problem for probe in probes) else 200
    return func.HttpResponse(body, status_code=status, mimetype="application/json")
