"""Storage's errors. Nearly all are HTTP 400; the truth is the body's `statusCode`."""

import psycopg

from tests.supabase_server.wire import Answer, Outside, as_json

OWN_STATUS = {416, 500, 544}  # all others are HTTP 400


class Refused(Exception):
    """An answer that is no success.

    Args:
        status: what the body tells; often not the HTTP status.
        code: Storage's name for it.
        message: for people.
        error: the older name for it; the code, where there is none.
    """

    def __init__(self, status: int, code: str, message: str, error: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.error = status, code, message, error or code

    @property
    def answer(self) -> Answer:
        body = {"statusCode": str(self.status), "error": self.error, "message": self.message, "code": self.code}
        return as_json(body, self.status if self.status in OWN_STATUS else 400)

    @property
    def plain(self) -> Answer:
        """The same as resumable uploads tell it: the true status, and the message as text."""
        return Answer(self.status, self.message.encode(), {"content-type": "text/plain; charset=utf-8"})


def no_bucket() -> Refused:
    return Refused(404, "NoSuchBucket", "Bucket not found", "Bucket not found")


def no_object() -> Refused:
    return Refused(404, "NoSuchKey", "Object not found", "not_found")


def taken(code: str = "KeyAlreadyExists") -> Refused:
    return Refused(409, code, "The resource already exists", "Duplicate")


def too_large() -> Refused:
    return Refused(413, "EntityTooLarge", "The object exceeded the maximum allowed size", "Payload too large")


def denied(message: str) -> Refused:
    return Refused(403, "AccessDenied", message, "Unauthorized")


def invalid(message: str) -> Refused:
    """A request that does not have the form that the route wants."""
    return Refused(400, "InvalidRequest", message, "Error")


def from_postgres(exc: psycopg.Error) -> Refused:
    """What a database's error becomes. Raises Outside on one that has no known answer."""
    message = exc.diag.message_primary or ""
    match exc.sqlstate:
        case "42501":
            return denied(message.partition(" for table ")[0] if message.startswith("new row violates") else message)
        case "23505":
            return taken()
        case "23503":
            return Refused(404, "InvalidRequest", "The related resource does not exist")
        case "57014":
            return Refused(544, "DatabaseTimeout", "The connection to the database timed out")
    raise Outside(f"Storage on SQLSTATE {exc.sqlstate}: {message}")
