"""Where fal tells that a job is done: what comes in at the addresses of `core.web.addresses`."""

import json
import logging
import time
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.errors import ProviderUnavailable
from core.providers.fal_webhook import Signatures
from core.studio import Studio
from core.web.addresses import PARAMETER

log = logging.getLogger("takes.web")

MOST_BYTES = 4 * 1024 * 1024  # a result is a few kB of JSON; some models add captions or frames' times


def hook_routes(studio: Callable[[], Studio]) -> list[Route]:
    """The webhook's route. A call only ever says "look at this job": what is true is asked from fal by the worker.

    Args:
        studio: gives the running studio; called at each request.
    """
    known: dict[str, Signatures] = {}

    async def fal(request: Request) -> Response:
        app = studio()
        if app.hooks is None:
            return Response(status_code=404)
        job_id = request.path_params["job_id"]
        body = await _body(request)
        if body is None:
            return Response(status_code=413)
        signatures = known.setdefault(app.settings.rest_url, Signatures(app.settings.rest_url))
        try:
            genuine = app.hooks.is_ours(
                job_id, request.query_params.get(PARAMETER, "")
            ) and await signatures.is_from_fal(request.headers, body, time.time())
        except ProviderUnavailable as exc:
            log.warning("a webhook could not be checked: %s", exc.message)
            return Response(status_code=503)  # fal comes again
        if not genuine:
            log.warning("a webhook with a bad signature was refused")
            return Response(status_code=401)
        request_id = _request_id(body)
        if request_id is None:
            return Response(status_code=400)
        await run_in_threadpool(app.told, job_id, request_id)
        return JSONResponse({"status": "ok"})

    return [Route("/hooks/fal/{job_id}", fal, methods=["POST"])]


async def _body(request: Request) -> bytes | None:
    """The whole body, or None where it is larger than any webhook."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


def _request_id(body: bytes) -> str | None:
    try:
        said = json.loads(body)
    except ValueError:
        return None
    found = said.get("request_id") if isinstance(said, dict) else None
    return found if isinstance(found, str) and found else None
