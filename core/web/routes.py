"""Addresses beside the pages: a job's files, for its owner only, and a sign of life."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from core.errors import NotFound
from core.media.images import thumbnail
from core.media.store import CONTENT_TYPES
from core.studio import Studio

KEPT_S = 24 * 3600  # a job's file never changes; a day bounds how long a deleted one may stay in a browser
THUMBNAIL_PX = 640


def routes(studio: Callable[[], Studio]) -> list[Route]:
    """The routes of the app.

    Args:
        studio: gives the running studio; called at each request, since routes are made before it is open.
    """

    def owned_file(request: Request, part: str) -> tuple[str, str]:
        """Key and download name of a job's file, if the request's cookie is the owner's."""
        app = studio()
        owner = app.identity.owner_of(request.headers.get("cookie", ""))
        if owner is None:
            raise NotFound("There is no such take.")
        job = app.get(owner, request.path_params["job_id"])
        name = f"{job.model}-{job.created_at:%Y%m%d-%H%M%S}-{job.id[:8]}"
        key = {
            "video": job.video and job.video.key,
            "poster": job.video and job.video.poster,
            "still": job.still,
        }[part]
        if not key:
            raise NotFound("There is no such file.")
        return key, f"{name}.{key.rsplit('.', 1)[1]}"

    async def media(request: Request, part: str) -> Response:
        try:
            key, name = await run_in_threadpool(owned_file, request, part)
            headers = {"etag": f'"{key}"', "cache-control": f"private, max-age={KEPT_S}", "accept-ranges": "bytes"}
            if request.headers.get("if-none-match") == headers["etag"]:
                return Response(status_code=304, headers=headers)
            if "download" in request.query_params:
                headers["content-disposition"] = f'attachment; filename="{name}"'
            with studio().media.local(key) as path:
                kind = CONTENT_TYPES[key.rsplit(".", 1)[1]]
                return FileResponse(path, media_type=kind, headers=headers)
        except NotFound as exc:
            return PlainTextResponse(exc.message, 404, {"cache-control": "no-store"})

    async def video(request: Request) -> Response:
        return await media(request, "video")

    async def poster(request: Request) -> Response:
        return await media(request, "poster")

    async def still(request: Request) -> Response:
        """The picture a job started from, small enough for a card."""
        try:
            key, _ = await run_in_threadpool(owned_file, request, "still")
            headers = {"etag": f'"{key}-{THUMBNAIL_PX}"', "cache-control": f"private, max-age={KEPT_S}"}
            if request.headers.get("if-none-match") == headers["etag"]:
                return Response(status_code=304, headers=headers)
            picture = await run_in_threadpool(studio().picture, key)
            small = await run_in_threadpool(thumbnail, picture, THUMBNAIL_PX)
            return Response(small, media_type="image/jpeg", headers=headers)
        except NotFound as exc:
            return PlainTextResponse(exc.message, 404, {"cache-control": "no-store"})

    async def healthz(_: Request) -> Response:
        alive = await run_in_threadpool(studio().is_alive)
        return JSONResponse(
            {"status": "ok" if alive else "failing"}, 200 if alive else 503, {"cache-control": "no-store"}
        )

    return [
        Route("/takes/{job_id}/video.mp4", video, methods=["GET", "HEAD"]),
        Route("/takes/{job_id}/poster.jpg", poster, methods=["GET", "HEAD"]),
        Route("/takes/{job_id}/still.jpg", still, methods=["GET", "HEAD"]),
        Route("/healthz", healthz, methods=["GET"]),
    ]
