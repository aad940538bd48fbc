"""Signed URLs: tokens that let whoever has them read one object until they end, or write one once."""

import json
from typing import Any
from urllib.parse import quote

from tests.supabase_server.access import SERVICE, BadToken, Caller
from tests.supabase_server.storage.base import Base, wanted
from tests.supabase_server.storage.errors import Refused, invalid
from tests.supabase_server.storage.files import received, sent
from tests.supabase_server.storage.objects import MANY
from tests.supabase_server.wire import Answer, Outside, Request, as_json

UPLOAD_S = 2 * 3600  # how long a place for an upload is open on hosted projects
SAFE = "/!-_.*'()&$@=;:+,"
MISSING = "Either the object does not exist or you do not have access to it"


class Signing(Base):
    """`/storage/v1/object/sign` and `/storage/v1/object/upload/sign`; all of it recorded, but for what a bad token says."""

    def sign(self, request: Request, bucket: str, key: str) -> Answer:
        given = self._given(request)
        self.object(self.caller(request), bucket, key)
        return as_json({"signedURL": self._reading(bucket, key, given)})

    def sign_many(self, request: Request, bucket: str) -> Answer:
        given, caller = self._given(request), self.caller(request)
        paths = given.get("paths")
        if not paths or len(paths) > MANY:
            raise invalid(f"body/paths must have 1 to {MANY} items")
        with self.as_role(caller) as rows:
            found = rows.execute(
                "select name from storage.objects where bucket_id = %s and name = any (%s)", [bucket, paths]
            ).fetchall()
        there = {row["name"] for row in found}
        told: list[dict[str, Any]] = [
            {"error": None, "path": path, "signedURL": self._reading(bucket, path, given)}
            if path in there
            else {"error": MISSING, "path": path, "signedURL": None}
            for path in paths
        ]
        return as_json(told)

    def read(self, request: Request, bucket: str, key: str) -> Answer:
        """What a signed URL gives."""
        self._claims(request, bucket, key)
        row = self.object(SERVICE, bucket, key)
        return sent(self.folder, row, request, caching="expires", download=request.first("download"))

    def sign_upload(self, request: Request, bucket: str, key: str) -> Answer:
        caller = self.caller(request)
        # the type is not known yet: any that the bucket takes will do for the question whether the caller may write
        types = self.bucket(bucket)["allowed_mime_types"] or ["application/octet-stream"]
        self.admit(caller, bucket, key, types[0].replace("*", "any"), wanted(request))
        claims = {"url": f"{bucket}/{key}", "upsert": wanted(request) == "upsert", "owner": caller.sub}
        token = self.keys.sign(claims, UPLOAD_S)
        path = f"/object/upload/sign/{bucket}/{quote(key, safe=SAFE)}"
        return as_json({"url": f"{path}?token={token}", "token": token})

    def upload(self, request: Request, bucket: str, key: str) -> Answer:
        """A file for a place that was signed."""
        claims = self._claims(request, bucket, key)
        owner = Caller("service_role", {"sub": claims["owner"]} if claims.get("owner") else {})
        self.store(owner, bucket, key, received(request), "upsert" if claims.get("upsert") else "insert")
        return as_json({"Key": f"{bucket}/{key}"})

    def _reading(self, bucket: str, key: str, given: dict[str, Any]) -> str:
        token = self.keys.sign({"url": f"{bucket}/{key}"}, int(given["expiresIn"]))
        return f"/object/sign/{bucket}/{quote(key, safe=SAFE)}?token={token}"

    def _given(self, request: Request) -> dict[str, Any]:
        given: dict[str, Any] = json.loads(request.body)
        if "transform" in given:
            raise Outside("transforms of an image")
        if not str(given.get("expiresIn", "")).isdecimal() or int(given["expiresIn"]) < 1:
            raise invalid("body/expiresIn must be >= 1")
        return given

    def _claims(self, request: Request, bucket: str, key: str) -> dict[str, Any]:
        """The claims of the token in the address, if it is for this object."""
        token = request.first("token")
        if token is None:
            raise invalid("querystring must have required property 'token'")
        try:
            claims = self.keys.read(token)
        except BadToken as exc:
            raise Refused(400, "InvalidJWT", str(exc)) from exc
        if claims.get("url") != f"{bucket}/{key}":
            raise Refused(400, "InvalidSignature", "Invalid signature")
        return claims
