"""Addresses at which takes are taken along: as a zip, a table or lines, chosen one by one or by a search; each for its owner only."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NoBase64
from collections.abc import Callable, Generator, Iterable
from urllib.parse import urlencode
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from core.errors import AppError, InvalidInput, NotFound
from core.jobs import asked, bundle
from core.jobs.job import utc_now
from core.studio import Studio
from core.web import pieces

CHOSEN = "ids"  # the parameter that names takes; without it the address is that of a search
MOST_CHOSEN = 300  # ids in one address: 7 kB of it, under the 8 kB that proxies take
KINDS = {"zip": "application/zip", "csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
PACKED = 22  # signs of a UUID's 16 bytes
PLAIN = "~"  # before an id that is no UUID: that of a take which was imported


def address_of(kind: str, job_ids: Iterable[str]) -> str:
    """The address of chosen takes as "zip", "csv" or "jsonl". It holds nothing secret: the cookie decides."""
    return f"/takes.{kind}?{urlencode({CHOSEN: '.'.join(map(_pack, job_ids))})}"


def address_of_search(kind: str, given: asked.Given) -> str:
    """The address of everything that a search finds, as the page's own address asks for it."""
    query = asked.address(given)
    return f"/takes.{kind}?{query}" if query else f"/takes.{kind}"


def bundle_routes(studio: Callable[[], Studio]) -> list[Route]:
    """The routes.

    Args:
        studio: gives the running studio; called at each request, since routes are made before it is open.
    """

    def opened(request: Request, kind: str) -> Generator[bytes, None, None]:
        """What is asked for, as blocks; nothing of it is read before it is known to be this owner's."""
        app = studio()
        owner = app.identity.owner_of(request.headers.get("cookie", ""))
        if owner is None:
            raise NotFound("There is no such take.")
        ids = _wanted(app, owner, request, kind)
        match kind:
            case "zip":
                return app.as_zip(owner, ids)
            case "csv":
                return app.as_csv(owner, ids)
            case _:
                return app.as_jsonl(owner, ids)

    def route(kind: str) -> Route:
        async def answer(request: Request) -> Response:
            headers = {
                "cache-control": "no-store",
                "content-disposition": f'attachment; filename="takes-{utc_now():%Y%m%d-%H%M%S}.{kind}"',
            }
            try:
                blocks = await run_in_threadpool(opened, request, kind)
            except AppError as exc:
                status = 404 if isinstance(exc, NotFound) else 400
                return PlainTextResponse(exc.message, status, {"cache-control": "no-store"})
            if request.method == "HEAD":
                return Response(None, media_type=KINDS[kind], headers=headers)
            return pieces.Blocks(blocks, 200, headers, KINDS[kind])

        return Route(f"/takes.{kind}", answer, methods=["GET", "HEAD"])

    return [route(kind) for kind in KINDS]


def _wanted(app: Studio, owner: str, request: Request, kind: str) -> list[str]:
    """The ids that an address asks for.

    Raises:
        NotFound: one of the chosen is not there, or somebody else's: the two look alike, and nothing is told of the others.
        InvalidInput: they are more than fit.
    """
    if CHOSEN in request.query_params:
        ids = list(dict.fromkeys(map(_unpack, request.query_params[CHOSEN].split(".")[: MOST_CHOSEN + 1])))
        if len(ids) > MOST_CHOSEN:
            raise InvalidInput(f"At most {MOST_CHOSEN} takes can be chosen at once.")
        if len(app.some(owner, ids)) < len(ids):
            raise NotFound("There is no such take. One of those that were chosen may have been deleted.")
        return ids
    given = {name: request.query_params.getlist(name) for name in asked.ASKS}
    most = bundle.MOST if kind == "zip" else None
    ids = app.found(asked.search(owner, given), most and most + 1)
    if most and len(ids) > most:
        raise InvalidInput(
            f"A zip has room for {most:,} takes, and these are more. Narrow the search, by date perhaps."
        )
    return ids


def _pack(job_id: str) -> str:
    """An id as it stands in an address: a UUID in 22 signs, another as it is, with a mark."""
    try:
        given = UUID(job_id)
    except ValueError:
        return PLAIN + job_id
    return urlsafe_b64encode(given.bytes)[:PACKED].decode("ascii") if str(given) == job_id else PLAIN + job_id


def _unpack(text: str) -> str:
    """The id that was packed. Raises NotFound where that is none."""
    if text.startswith(PLAIN) and ID.fullmatch(text[1:]):
        return text[1:]
    if len(text) == PACKED and ID.fullmatch(text):
        try:
            return str(UUID(bytes=urlsafe_b64decode(f"{text}==")))
        except (NoBase64, ValueError) as exc:
            raise NotFound("There is no such take.") from exc
    raise NotFound("There is no such take.")
