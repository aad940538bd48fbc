"""Addresses beside the pages: a job's files, for its owner only, and a sign of life."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from core.errors import InvalidMedia, NotFound
from core.jobs.bundle import name_of
from core.jobs.files import MEDIA_KEY, media_keys
from core.jobs.job import Job
from core.jobs.recipe import tagged_video
from core.media.images import thumbnail
from core.media.store import CONTENT_TYPES
from core.media.tagged import Tagged
from core.studio import Studio
from core.web import pieces
from core.web.bundles import bundle_routes

KEPT_S = 24 * 3600  # a job's file never changes; a day bounds how long a deleted one may stay in a browser
THUMBNAIL_PX = 640


def routes(studio: Callable[[], Studio]) -> list[Route]:
    """The routes of the app.

    Args:
        studio: gives the running studio; called at each request, since routes are made before it is open.
    """

    def owned_job(request: Request) -> Job:
        """The job, if the request's cookie is its owner's."""
        app = studio()
        owner = app.identity.owner_of(request.headers.get("cookie", ""))
        if owner is None:
            raise NotFound("There is no such take.")
        return app.get(owner, request.path_params["job_id"])

    def owned_file(request: Request, part: str) -> tuple[str, str]:
        """Key and download name of a job's file, if the request's cookie is the owner's."""
        job = owned_job(request)
        name = name_of(job)
        asked = request.path_params.get("key")
        key = {
            "video": job.video and job.video.key,
            "poster": job.video and job.video.poster,
            "still": job.still,
            "instead": job.video and job.still,
            "given": asked if asked in media_keys(job) else None,
        }[part]
        if not key or not MEDIA_KEY.fullmatch(key) or key.rsplit(".", 1)[1] not in CONTENT_TYPES:
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
        """The stored file to play, as it came; to carry away, with the take's settings in it."""
        return await (with_settings(request) if "download" in request.query_params else media(request, "video"))

    async def with_settings(request: Request) -> Response:
        try:
            key, name, whole = await run_in_threadpool(tagged, request)
        except NotFound as exc:
            return PlainTextResponse(exc.message, 404, {"cache-control": "no-store"})
        mark = f"{key}-{whole.mark}" if whole.mark else key
        headers = {
            "etag": f'"{mark}"',
            "cache-control": f"private, max-age={KEPT_S}",
            "content-disposition": f'attachment; filename="{name}"',
        }
        return pieces.answer(request, whole, CONTENT_TYPES[key.rsplit(".", 1)[1]], headers)

    def tagged(request: Request) -> tuple[str, str, Tagged]:
        key, name = owned_file(request, "video")
        with studio().media.local(key) as path:
            return key, name, tagged_video(path, owned_job(request))

    async def poster(request: Request) -> Response:
        """The first frame; where that file is gone, what the job started from."""
        answer = await media(request, "poster")
        return answer if answer.status_code != 404 else await small_picture(request, "instead")

    async def given(request: Request) -> Response:
        return await media(request, "given")

    async def still(request: Request) -> Response:
        return await small_picture(request, "still")

    async def given_picture(request: Request) -> Response:
        return await small_picture(request, "given")

    async def small_picture(request: Request, part: str) -> Response:
        """A picture that a job was given, or the first frame of a clip, small enough for a card."""
        try:
            key, _ = await run_in_threadpool(owned_file, request, part)
            headers = {"etag": f'"{key}-{THUMBNAIL_PX}"', "cache-control": f"private, max-age={KEPT_S}"}
            if request.headers.get("if-none-match") == headers["etag"]:
                return Response(status_code=304, headers=headers)
            picture = await run_in_threadpool(studio().picture, key)
            small = await run_in_threadpool(thumbnail, picture, THUMBNAIL_PX)
            return Response(small, media_type="image/jpeg", headers=headers)
        except (NotFound, InvalidMedia) as exc:
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
        Route("/takes/{job_id}/given/{key}", given, methods=["GET", "HEAD"]),
        Route("/takes/{job_id}/given/{key}/picture.jpg", given_picture, methods=["GET", "HEAD"]),
        Route("/healthz", healthz, methods=["GET"]),
        *bundle_routes(studio),
    ]
