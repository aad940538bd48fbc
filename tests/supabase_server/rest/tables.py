"""Rows of a table or view, read and written as PostgREST does it: one statement for each request."""

import json
from collections.abc import Iterable
from typing import Any, cast

import psycopg

from tests.supabase_server.access import Caller
from tests.supabase_server.database import name as ident
from tests.supabase_server.database import quote
from tests.supabase_server.rest import query as words
from tests.supabase_server.rest.asked import Asked, asked, payload, spread
from tests.supabase_server.rest.base import Base
from tests.supabase_server.rest.catalog import Column
from tests.supabase_server.rest.errors import not_single, refused, unknown_column, unknown_table
from tests.supabase_server.wire import Answer, Outside, Request

CALLS = {"GET": "select", "HEAD": "select", "POST": "insert", "PATCH": "update", "DELETE": "delete"}


class Tables(Base):
    """`/rest/v1/TABLE`.

    From the documentation, not recorded: the cap on rows and what `count=estimated` does about it; that writes are not
    capped; that an update or delete without a filter is refused (hosted projects load `safeupdate`).
    """

    def answer(self, request: Request, table: str) -> Answer:
        """One request to one table."""
        caller, want = self.caller(request), asked(request)
        if request.method in ("GET", "HEAD"):
            return self._select(request, caller, want, table)
        if any(request.first(key) for key in ("limit", "offset", "order")):
            raise Outside("limit, offset or order on a write")
        if not self.catalog.table(table):
            raise unknown_table(table, None, self.wording)
        match request.method:
            case "POST":
                return self._insert(request, caller, want, table)
            case "PATCH":
                return self._update(request, caller, want, table)
            case _:
                return self._delete(request, caller, want, table)

    # --- Reading --------------------------------------------------------------------------------------------------

    def _select(self, request: Request, caller: Caller, want: Asked, table: str) -> Answer:
        if self.wording == "newer" and not self.catalog.table(table):
            raise unknown_table(table, None, self.wording)
        full = f'"public".{ident(table)}'
        chosen = words.columns(words.selection(request.first("select") or "*", full))
        where = _where(words.conditions(request.query, full))
        order = words.ordering(request.first("order") or "", full)
        source = f"select {chosen} from {full} {where}" + (f" order by {order}" if order else "")
        source += want.page(self.max_rows)
        how = want.prefer.get("count")
        counted = f"select 1 from {full} {where}"
        capped = f"{counted} limit {self.max_rows + 1}" if how == "estimated" and self.max_rows else counted
        total_sql = f"(select count(*) from ({capped}) c)" if how and how != "planned" else "null::bigint"
        with self.transaction(caller, request, read_only=True) as cursor:
            total, rows, body = self.run(cursor, source, total=total_sql)
            # an estimate is the planner's where there is more than the cap lets count
            if how == "planned" or (how == "estimated" and (total or 0) > (self.max_rows or 0)):
                total = max(total or 0, _planned(cursor, counted))
            if want.single and rows != 1:
                raise not_single(rows, self.wording)
        span = spread(want.offset, rows, total)
        if total is not None and want.offset > total:
            details = f"An offset of {want.offset} was requested, but there are only {total} rows."
            headers = {"content_range": f"*/{total}", **_underscored(want.applied("count"))}
            raise refused(416, "PGRST103", "Requested range not satisfiable", details, **headers)
        status = 206 if total is not None and rows < total else 200
        body = one(body) if want.single else body
        return want.answer(body, status, {"content-range": span, **want.applied("count")})

    # --- Writing --------------------------------------------------------------------------------------------------

    def _insert(self, request: Request, caller: Caller, want: Asked, table: str) -> Answer:
        self._no_filters(request)
        given = payload(request)
        known = self.catalog.table(table)
        named = self._named(request, given, known, table)
        full, merge = f'"public".{ident(table)}', want.prefer.get("resolution") == "merge-duplicates"
        listed = ", ".join(ident(column) for column in named)
        if named:
            insert = f"insert into {full} ({listed}) select {listed} from {self._record(want, given, named, known)} r"
        elif given == {}:
            insert = f"insert into {full} default values"
        else:
            raise Outside("a list of rows without a column")
        insert += self._on_conflict(request, want, named, known)
        chosen = words.selection(request.first("select") or "*", full, list(known) if merge else None)
        returned = words.columns(chosen) if want.rows else "1 as pgrst_one"
        if merge:
            returned += ", xmax = 0 as pgrst_new"
        with self.transaction(caller, request) as cursor:
            total, rows, body = self.run(
                cursor,
                f"{insert} returning {returned}",
                total="(select count(*) filter (where pgrst_new) from source)" if merge else "null::bigint",
                shown=", ".join(ident(called) for _, called in chosen) if merge and want.rows else "*",
            )
            if want.single and rows != 1:
                raise not_single(rows, self.wording)
        status = 200 if merge and total == 0 else 201
        span = spread(0, 0, self._counted(want, rows))
        return self._written(want, status, body, span, "resolution", "missing")

    def _named(self, request: Request, given: Any, known: dict[str, Column], table: str) -> list[str]:
        """The columns that an insert or update writes, in the order in which they are said."""
        rows = given if isinstance(given, list) else [given]
        if not all(isinstance(row, dict) for row in rows):
            raise Outside("a body that is no object or list of objects")
        if (said := request.first("columns")) is not None:
            named = [words.unquoted(part) for part in words.pieces(said)]
        else:
            named = list(rows[0]) if rows else []
            if any(set(row) != set(named) for row in rows):
                raise refused(400, "PGRST102", "All object keys must match")
        for column in named:
            if column not in known:
                raise unknown_column(column, table)
        return named

    def _record(self, want: Asked, given: Any, named: list[str], known: dict[str, Column]) -> str:
        """The body as rows of SQL, with a column's default where it is missing and that is asked for."""
        rows = given if isinstance(given, list) else [given]
        types = ", ".join(f"{ident(column)} {known[column].type}" for column in named)
        data = quote(json.dumps(rows, ensure_ascii=False))
        with_default = [column for column in named if known[column].default]
        if want.prefer.get("missing") != "default" or not with_default:
            return _recordset("json", f"{data}::json", types)
        defaults = ", ".join(f"{quote(column)}, {known[column].default}" for column in with_default)
        filled = f"(select jsonb_agg(jsonb_build_object({defaults}) || e) from jsonb_array_elements({data}::jsonb) e)"
        return _recordset("jsonb", filled, types)

    def _on_conflict(self, request: Request, want: Asked, named: list[str], known: dict[str, Column]) -> str:
        resolution = want.prefer.get("resolution")
        if not resolution:
            return ""
        said = request.first("on_conflict")
        unique = (
            [words.unquoted(part) for part in words.pieces(said)] if said else [c.name for c in known.values() if c.key]
        )
        if not unique:
            return ""
        target = f" on conflict ({', '.join(map(ident, unique))})"
        if resolution == "ignore-duplicates" or not named:
            return f"{target} do nothing"
        return f"{target} do update set " + ", ".join(f"{ident(c)} = excluded.{ident(c)}" for c in named)

    def _update(self, request: Request, caller: Caller, want: Asked, table: str) -> Answer:
        given = payload(request)
        if not isinstance(given, dict) or "missing" in want.prefer:
            raise Outside("an update with a list, or with defaults")
        known, full = self.catalog.table(table), f'"public".{ident(table)}'
        named = self._named(request, given, known, table)
        where = _where(self._filtered(request, full, "UPDATE"))
        returned = (
            words.columns(words.selection(request.first("select") or "*", full)) if want.rows else "1 as pgrst_one"
        )
        if named:
            sets = ", ".join(f"{ident(column)} = r.{ident(column)}" for column in named)
            source = f"update {full} set {sets} from {self._record(want, given, named, known)} r {where} returning {returned}"
        else:
            source = f"select {returned} from {full} where false"
        with self.transaction(caller, request) as cursor:
            _, rows, body = self.run(cursor, source)
            if want.single and rows != 1:
                raise not_single(rows, self.wording)
        span = spread(0, rows, self._counted(want, rows))
        return self._written(want, 200 if want.rows else 204, body, span)

    def _delete(self, request: Request, caller: Caller, want: Asked, table: str) -> Answer:
        full = f'"public".{ident(table)}'
        where = _where(self._filtered(request, full, "DELETE"))
        returned = (
            words.columns(words.selection(request.first("select") or "*", full)) if want.rows else "1 as pgrst_one"
        )
        with self.transaction(caller, request) as cursor:
            _, rows, body = self.run(cursor, f"delete from {full} {where} returning {returned}")
            if want.single and rows != 1:
                raise not_single(rows, self.wording)
        span = spread(0, 0, self._counted(want, rows))
        return self._written(want, 200 if want.rows else 204, body, span)

    def _filtered(self, request: Request, full: str, verb: str) -> list[str]:
        tests = words.conditions(request.query, full)
        if not tests:
            raise refused(400, "21000", f"{verb} requires a WHERE clause")
        return tests

    def _no_filters(self, request: Request) -> None:
        if extra := {key for key, _ in request.query} - words.RESERVED:
            raise Outside(f"filters on an insert: {', '.join(extra)}")

    def _counted(self, want: Asked, rows: int) -> int | None:
        if want.prefer.get("count") in ("planned", "estimated"):
            raise Outside("a count on a write that is not exact")
        return rows if "count" in want.prefer else None

    def _written(self, want: Asked, status: int, body: str, span: str, *names: str) -> Answer:
        headers = {"content-range": span, **want.applied("return", "count", *names)}
        if not want.rows:
            return Answer(status, b"", headers)
        return want.answer(one(body) if want.single else body, status, headers)


def one(body: str) -> str:
    """The only row of a JSON list, as Postgres wrote it."""
    return body[1:-1]


def _recordset(kind: str, data: str, types: str) -> str:
    return f"(select * from {kind}_to_recordset({data}) as _({types}))"


def _where(tests: Iterable[str]) -> str:
    joined = " and ".join(tests)
    return f"where {joined}" if joined else ""


def _planned(cursor: psycopg.Cursor[tuple[object, ...]], counted: str) -> int:
    """How many rows the planner expects."""
    cursor.execute(f"explain (format json) {counted}".encode())
    return int(cast(Any, cursor.fetchone())[0][0]["Plan"]["Plan Rows"])


def _underscored(headers: dict[str, str]) -> dict[str, str]:
    return {key.replace("-", "_"): value for key, value in headers.items()}
