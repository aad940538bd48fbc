"""PostgREST's words in a query string, as SQL: what to select, which rows, in which order. Anything unknown is `Outside`."""

import re

from tests.supabase_server.database import name as ident
from tests.supabase_server.database import quote
from tests.supabase_server.wire import Outside

WORD = r'(?:"(?:[^"\\]|\\.)*"|[A-Za-z_][A-Za-z0-9_$ ]*)'
STEP = r'->>?(?:"(?:[^"\\]|\\.)*"|-?\d+|[A-Za-z_][A-Za-z0-9_$ ]*)'
FIELD = re.compile(rf"({WORD})((?:{STEP})*)")
SELECTED = re.compile(rf"(?:({WORD}):(?!:))?({WORD}(?:{STEP})*)(?:::([a-z0-9_ ]+))?")
RESERVED = {"select", "order", "limit", "offset", "columns", "on_conflict"}

OPERATORS = {
    "eq": "=",
    "neq": "<>",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "like": "like",
    "ilike": "ilike",
    "match": "~",
    "imatch": "~*",
    "cs": "@>",
    "cd": "<@",
    "ov": "&&",
}


def unquoted(word: str) -> str:
    """A name or value without its quotes."""
    return re.sub(r"\\(.)", r"\1", word[1:-1]) if word.startswith('"') else word.strip()


def field(text: str, table: str) -> str:
    """A column, or a path into its JSON, as SQL. `table` is how SQL names the table."""
    found = FIELD.fullmatch(text)
    if not found:
        raise Outside(f"column {text!r}")
    path = ""
    for arrow, key in re.findall(r"(->>?)(" + STEP.removeprefix("->>?") + ")", found[2]):
        path += arrow + (key if re.fullmatch(r"-?\d+", key) else quote(unquoted(key)))
    return f"{table}.{ident(unquoted(found[1]))}{path}"


def selection(text: str, table: str, every: list[str] | None = None) -> list[tuple[str, str]]:
    """What to select: SQL and the name that it gets; the name is empty for `table.*`.

    Args:
        every: the columns that `*` stands for, where they are wanted one by one.
    """
    chosen: list[tuple[str, str]] = []
    for part in pieces(text):
        if part == "*":
            chosen += [(f"{table}.*", "")] if every is None else [(f"{table}.{ident(one)}", one) for one in every]
            continue
        found = SELECTED.fullmatch(part)
        if not found:
            raise Outside(f"select={part}")
        alias, path, cast = found.groups()
        what = field(path, table)
        called = unquoted(alias) if alias else _last(path)
        chosen.append((f"cast({what} as {cast})" if cast else what, called))
    return chosen


def columns(chosen: list[tuple[str, str]]) -> str:
    """A selection as the list after SQL's `select` or `returning`."""
    return ", ".join(f"{what} as {ident(called)}" if called else what for what, called in chosen)


def _last(path: str) -> str:
    keys = [key for key in re.split(r"->>?", path) if not re.fullmatch(r"-?\d+", key)]
    return unquoted(keys[-1])


def pieces(text: str) -> list[str]:
    """The parts between commas, where these are not in quotes or brackets."""
    parts, depth, quoted, at = [""], 0, False, 0
    while at < len(text):
        sign = text[at]
        if sign == "\\" and quoted:
            parts[-1] += text[at : at + 2]
            at += 2
            continue
        if sign == '"':
            quoted = not quoted
        elif not quoted:
            depth += (sign in "({") - (sign in ")}")
            if sign == "," and depth == 0:
                parts.append("")
                at += 1
                continue
        parts[-1] += sign
        at += 1
    if quoted or depth:
        raise Outside(f"unbalanced {text!r}")
    return [part for part in parts if part] if text else []


def ordering(text: str, table: str) -> str:
    """`order=` as SQL's order by, without these words."""
    terms = []
    for part in pieces(text):
        found = re.fullmatch(rf"({WORD}(?:{STEP})*)(\.asc|\.desc)?(\.nullsfirst|\.nullslast)?", part)
        if not found:
            raise Outside(f"order={part}")
        turn = {".asc": " asc", ".desc": " desc", None: ""}[found[2]]
        nulls = {".nullsfirst": " nulls first", ".nullslast": " nulls last", None: ""}[found[3]]
        terms.append(field(found[1], table) + turn + nulls)
    return ", ".join(terms)


def conditions(query: list[tuple[str, str]], table: str) -> list[str]:
    """The filters of a query string as SQL, each in brackets; all of them have to hold."""
    return [f"({_condition(key, value, table)})" for key, value in query if key not in RESERVED]


def _condition(key: str, value: str, table: str) -> str:
    if key in ("and", "or", "not.and", "not.or"):
        return _tree(key + value, table)
    return _compare(field(key, table), value)


def _tree(text: str, table: str) -> str:
    """One node: `and(…)`, `not.or(…)`, or `column.operator.value`."""
    if found := re.fullmatch(r"(not\.)?(and|or)\((.*)\)", text, re.DOTALL):
        inner = pieces(found[3])
        if not inner:
            raise Outside(f"empty {text}")
        joined = f" {found[2]} ".join(f"({_tree(part, table)})" for part in inner)
        return f"not ({joined})" if found[1] else joined
    found = re.match(rf"({WORD}(?:{STEP})*)\.", text)
    if not found:
        raise Outside(f"filter {text!r}")
    return _compare(field(found[1], table), text[found.end() :], nested=True)


def _compare(what: str, said: str, *, nested: bool = False) -> str:
    """`[not.]operator.value` as SQL. Inside a tree a value may stand in quotes; outside quotes belong to it."""
    negated = said.startswith("not.")
    operator, dot, value = said.removeprefix("not.").partition(".")
    if not dot:
        raise Outside(f"filter {said!r}")
    if operator == "is" and value.lower() in ("null", "true", "false", "unknown"):
        test = f"{what} is {value}"
    elif operator == "in" and value.startswith("(") and value.endswith(")"):
        test = f"{what} = any ({quote(_array(value[1:-1]))})"
    elif operator in OPERATORS:
        if nested and value.startswith('"') and value.endswith('"') and len(value) > 1:
            value = unquoted(value)
        if operator in ("like", "ilike"):
            value = value.replace("*", "%")
        test = f"{what} {OPERATORS[operator]} {quote(value)}"
    else:
        raise Outside(f"operator {operator!r}")
    return f"not ({test})" if negated else test


def _array(text: str) -> str:
    """The values of `in.(…)` as Postgres writes an array."""
    values = [unquoted(part) if part.startswith('"') else part for part in pieces(text)]
    return "{" + ",".join('"' + re.sub(r'(["\\])', r"\\\1", value) + '"' for value in values) + "}"
