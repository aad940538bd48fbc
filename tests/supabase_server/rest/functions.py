"""Functions called by name, as PostgREST does it under `/rest/v1/rpc/NAME`."""

import json
import re
from typing import Any

from tests.supabase_server.database import name as ident
from tests.supabase_server.database import quote
from tests.supabase_server.rest import query as words
from tests.supabase_server.rest.asked import Asked, asked, payload, spread
from tests.supabase_server.rest.base import Base
from tests.supabase_server.rest.catalog import Function
from tests.supabase_server.rest.errors import Refused, not_single, refused
from tests.supabase_server.rest.tables import one
from tests.supabase_server.wire import Answer, Outside, Request

FILTER = re.compile(r"(not\.)?(eq|neq|gte?|lte?|i?like|i?match|is|in|c[sd]|ov)[.(]")
SHAPING = {"select", "order", "limit", "offset"}


class Functions(Base):
    """`/rest/v1/rpc/NAME`.

    Recorded: a set of rows, a scalar, errors, read-only calls. From the documentation, not recorded: one row that is no
    set, a set of scalars, json and jsonb as arguments and results, void as 204, the cap on rows.
    """

    def answer(self, request: Request, called: str) -> Answer:
        """One call."""
        caller, want = self.caller(request), asked(request)
        if want.prefer.get("count"):
            raise Outside("a count on a function's rows")
        given = _given(request)
        function = self._find(called, given, request.method)
        arguments, rows_of = _arguments(function, given, request.method)
        call = f'"public".{ident(called)}({arguments})'
        if function.rows:
            source = self._page(request, want, f"select called.* from {rows_of}{call} called", ident(called))
        elif any(request.first(key) for key in SHAPING):
            raise Outside("select, order or a page of a function that gives no rows")
        else:
            source = f"select {call} as value" + (f" from {rows_of.removesuffix(', lateral ')}" if rows_of else "")
            source += want.page(self.max_rows)
        read_only = request.method != "POST" or not function.writes
        with self.transaction(caller, request, read_only=read_only) as cursor:
            value = "pgrst_row" if function.rows else "pgrst_row.value"
            _, rows, body = self.run(cursor, source, value=value)
            if want.single and function.many and rows != 1:
                raise not_single(rows, self.wording)
        if function.void:
            return Answer(204)
        if not function.many or want.single:
            body = one(body) if rows else "null"
        return want.answer(body, 200, {"content-range": spread(want.offset, rows, None)})

    def _find(self, called: str, given: dict[str, Any], method: str) -> Function:
        """The function of this name that takes these arguments. Raises Refused."""
        overloads = self.catalog.functions(called)
        if any(function.variadic or "" in function.args for function in overloads):
            raise Outside(f"variadic or unnamed arguments of {called}")
        fitting = [function for function in overloads if function.takes(set(given))]
        if len(fitting) > 1:
            raise Outside(f"overloads of {called}")
        if not fitting:
            raise _missing(called, given, overloads, method)
        return fitting[0]

    def _page(self, request: Request, want: Asked, source: str, table: str) -> str:
        """The part of a function's rows that is asked for."""
        chosen = words.columns(words.selection(request.first("select") or "*", table))
        order = words.ordering(request.first("order") or "", table)
        paged = f"select {chosen} from ({source}) {table}" + (f" order by {order}" if order else "")
        return paged + want.page(self.max_rows)


def _given(request: Request) -> dict[str, Any]:
    """The arguments by name: JSON of a POST, text of a GET."""
    beside = [(key, value) for key, value in request.query if key not in SHAPING]
    if request.method == "POST":
        given = payload(request) if request.body else {}
        if beside or not isinstance(given, dict):
            raise Outside("filters on a function's rows, or a body that is no object")
        return given
    if any(FILTER.match(value) for _, value in beside) or len(dict(beside)) != len(beside):
        raise Outside("filters on a function's rows")
    return dict(beside)


def _arguments(function: Function, given: dict[str, Any], method: str) -> tuple[str, str]:
    """What stands between a call's brackets, and what it is read from: JSON as the arguments' types, or text as it is."""
    if method != "POST" or not given:
        return ", ".join(f"{ident(arg)} := {quote(text)}" for arg, text in given.items()), ""
    data = quote(json.dumps(given, ensure_ascii=False))
    types = ", ".join(f"{ident(arg)} {function.args[arg]}" for arg in given)
    named = ", ".join(f"{ident(arg)} := r.{ident(arg)}" for arg in given)
    return named, f"(select * from json_to_record({data}::json) as _({types})) r, lateral "


def _missing(called: str, given: dict[str, Any], overloads: list[Function], method: str) -> Refused:
    """No such function. The hint is given as far as the transcript shows it: another set of names of the same function."""
    names = ", ".join(sorted(given))
    message = f"({names})" if given else " without parameters"
    searched = f"with parameter{'s' if len(given) > 1 else ''} {names}" if given else "without parameters"
    if method == "POST":
        searched += " or with a single unnamed json/jsonb parameter"
    hint = (
        f"Perhaps you meant to call the function public.{called}({', '.join(overloads[0].args)})" if overloads else None
    )
    return refused(
        404,
        "PGRST202",
        f"Could not find the function public.{called}{message} in the schema cache",
        f"Searched for the function public.{called} {searched}, but no matches were found in the schema cache.",
        hint,
    )
