"""PostgREST's errors: SQLSTATEs as HTTP, and its own with their wording, of version 12.2 or of newer ones.

The statuses are in PostgREST's documentation, the texts of 12.2.12 in the transcript. The newer texts are from the
documentation, not recorded; `wording="newer"` chooses them, so that a test can hold that nothing depends on a text.
"""

import re
from typing import Literal

import psycopg

from tests.supabase_server.access import BadToken
from tests.supabase_server.wire import Answer, Outside, as_json

Wording = Literal["12", "newer"]

# SQLSTATE to HTTP, the first pattern that fits
STATUSES = (
    (r"23503|23505", 409),
    (r"25006", 405),
    (r"53400", 500),
    (r"08...|53...", 503),
    (r"28...|0L...|0P...", 403),
    (r"42883|42P01", 404),
    (r"P0001", 400),
    (r"(09|25|2D|38|39|3B|40|54|55|57|58|F0|HV|P0|XX)...|42P17", 500),
)
SINGLE = {
    "12": "JSON object requested, multiple (or no) rows returned",
    "newer": "Cannot coerce the result to a single JSON object",
}


class Refused(Exception):
    """An answer that is no success; the transaction is rolled back."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def refused(
    status: int, code: str, message: str, details: str | None = None, hint: str | None = None, **headers: str
) -> Refused:
    """An error with PostgREST's body; `content_range="…"` becomes the header Content-Range."""
    body = {"code": code, "details": details, "hint": hint, "message": message}
    return Refused(as_json(body, status, {key.replace("_", "-"): value for key, value in headers.items()}))


def from_postgres(exc: psycopg.Error, role: str) -> Refused:
    """What a database's error becomes."""
    code = exc.sqlstate
    if code is None:  # the connection went away
        return refused(503, "PGRST001", "Database client error. Retrying the connection.")
    if code == "PGRST":
        raise Outside("raise sqlstate 'PGRST'")
    if found := re.fullmatch(r"PT(\d{3})", code):
        status = int(found[1])
    elif code == "42501":
        status = 401 if role == "anon" else 403
    else:
        status = next((http for pattern, http in STATUSES if re.fullmatch(pattern, code)), 400)
    diag = exc.diag
    headers = {"www_authenticate": "Bearer"} if status == 401 else {}
    return refused(status, code, diag.message_primary or "", diag.message_detail, diag.message_hint, **headers)


def from_token(exc: BadToken, wording: Wording) -> Refused:
    """What a token becomes that proves nothing."""
    code = "PGRST303" if exc.expired and wording == "newer" else "PGRST301"
    if exc.expired:
        text = "JWT expired"
    elif exc.parts != 3:
        text = f"Expected 3 parts in JWT; got {exc.parts}"
        if wording == "12":
            text = f"JWSError (CompactDecodeError Invalid number of parts: {text.replace(' in JWT', '')})"
    else:
        text = {"12": "JWSError JWSInvalidSignature", "newer": "No suitable key or wrong key type"}[wording]
    return refused(401, code, text, www_authenticate="Bearer")


def not_single(rows: int, wording: Wording) -> Refused:
    """One object was asked for, and there is another number of rows."""
    return refused(406, "PGRST116", SINGLE[wording], f"The result contains {rows} rows")


def unknown_column(column: str, table: str) -> Refused:
    return refused(400, "PGRST204", f"Could not find the '{column}' column of '{table}' in the schema cache")


def unknown_table(table: str, exc: psycopg.Error | None, wording: Wording) -> Refused:
    """A table that is not there: 12.2 let the database say so; newer ones look into their cache."""
    if wording == "newer":
        return refused(404, "PGRST205", f"Could not find the table 'public.{table}' in the schema cache")
    if exc is None:
        raise Outside(f"a write to an unknown table ({table})")
    return from_postgres(exc, "")
