"""The subset of Storage: routes under `/storage/v1`, each matched whole, so that an unknown one is never an upload."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.supabase_server.access import Keys
from tests.supabase_server.database import Pool
from tests.supabase_server.storage.buckets import Buckets
from tests.supabase_server.storage.errors import Refused
from tests.supabase_server.storage.objects import Objects
from tests.supabase_server.storage.resumable import Resumable
from tests.supabase_server.storage.signing import Signing
from tests.supabase_server.wire import Answer, Outside, Request

Handler = Callable[..., Answer]
RESERVED = "sign|upload|list|list-v2|move|copy|info|public|authenticated"
BUCKET = rf"((?!(?:{RESERVED})/)(?!(?:{RESERVED})$)[^/]+)"
KEY = r"(.+)"


class Storage:
    """Storage over one database; see `Base` for what it takes, beside the address of the server."""

    def __init__(self, url: str, pool: Pool, keys: Keys, folder: Path, size_limit: int) -> None:
        given = (pool, keys, folder, size_limit)
        buckets, objects, signing = Buckets(*given), Objects(*given), Signing(*given)
        self._resumable = resumable = Resumable(*given)
        places = f"{url}/storage/v1/upload/resumable"
        # method, path, the name of the call, who answers
        self._routes: tuple[tuple[str, str, str, Handler], ...] = (
            ("POST", "bucket", "bucket create", buckets.create),
            ("GET", "bucket", "bucket list", buckets.all),
            ("GET", rf"bucket/{BUCKET}", "bucket get", buckets.get),
            ("PUT", rf"bucket/{BUCKET}", "bucket update", buckets.update),
            ("DELETE", rf"bucket/{BUCKET}", "bucket delete", buckets.delete),
            ("POST", rf"bucket/{BUCKET}/empty", "bucket empty", buckets.empty),
            ("POST", rf"object/list/{BUCKET}", "list", objects.list),
            ("POST", "object/move", "move", objects.move),
            ("POST", "object/copy", "copy", objects.copy),
            ("GET", rf"object/info/{BUCKET}/{KEY}", "info", objects.info),
            ("GET|HEAD", rf"object/public/{BUCKET}/{KEY}", "public", objects.public),
            ("GET|HEAD", rf"object/(?:authenticated/)?{BUCKET}/{KEY}", "download", objects.download),
            ("POST", rf"object/{BUCKET}/{KEY}", "upload", objects.upload),
            ("PUT", rf"object/{BUCKET}/{KEY}", "replace", objects.replace),
            ("DELETE", rf"object/{BUCKET}/{KEY}", "remove", objects.remove_one),
            ("DELETE", rf"object/{BUCKET}", "remove", objects.remove),
            ("POST", rf"object/sign/{BUCKET}/{KEY}", "sign", signing.sign),
            ("POST", rf"object/sign/{BUCKET}", "sign many", signing.sign_many),
            ("GET|HEAD", rf"object/sign/{BUCKET}/{KEY}", "signed", signing.read),
            ("POST", rf"object/upload/sign/{BUCKET}/{KEY}", "sign upload", signing.sign_upload),
            ("PUT", rf"object/upload/sign/{BUCKET}/{KEY}", "signed upload", signing.upload),
            ("POST", "upload/resumable", "resumable create", lambda asked: resumable.create(asked, places)),
            ("HEAD", r"upload/resumable/([\w-]+)", "resumable head", resumable.head),
            ("PATCH", r"upload/resumable/([\w-]+)", "resumable patch", resumable.patch),
            ("DELETE", r"upload/resumable/([\w-]+)", "resumable end", resumable.end),
        )

    def route(self, request: Request) -> tuple[str, Handler] | None:
        """The name of a call, as `Seen.op` has it, and who answers it; None for what is outside."""
        path = request.path.removeprefix("/storage/v1/")
        for methods, pattern, op, handler in self._routes:
            found = re.fullmatch(pattern, path, re.DOTALL)
            if found and request.method in methods.split("|"):
                return op, partial(_told, handler, op.startswith("resumable"), found.groups())
        return None


def _told(handler: Handler, plain: bool, parts: tuple[str, ...], request: Request, **more: int | None) -> Answer:
    try:
        return handler(request, *parts, **more)
    except Refused as exc:
        return exc.plain if plain else exc.answer
    except (KeyError, ValueError) as exc:  # a body or header of another form; what a real server says is not known
        raise Outside(f"a request of another form: {exc!r}") from exc
