"""What PostgREST knows of the schema `public`: columns, keys and functions, read once and again when it is told to.

As the real one does, it keeps what it read until `notify pgrst, 'reload schema'`: a migration that forgets to say so
leaves its new columns and functions unknown here too. (Hosted projects also reload on most DDL; this one is stricter.)
"""

import threading
from collections import defaultdict
from dataclasses import dataclass

import psycopg

TABLES = """
select c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
       case when a.attgenerated = '' then pg_catalog.pg_get_expr(d.adbin, d.adrelid) end,
       coalesce(a.attnum = any (k.conkey), false)
  from pg_catalog.pg_class c
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  left join pg_catalog.pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
  left join pg_catalog.pg_constraint k on k.conrelid = c.oid and k.contype = 'p'
 where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v', 'm', 'f', 'p')
 order by c.relname, a.attnum
"""

FUNCTIONS = """
select p.proname, coalesce(p.proargnames, '{}'), coalesce(p.proargmodes::text[], '{}'),
       array(select pg_catalog.format_type(t, null)
               from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) with ordinality as u(t, n) order by n),
       p.pronargdefaults, p.provolatile::text, p.proretset, p.prorettype = 'void'::regtype,
       t.typtype = 'c' or coalesce(p.proargmodes && '{t,o,b}'::"char"[], false) or p.prorettype = 'record'::regtype,
       p.provariadic <> 0
  from pg_catalog.pg_proc p join pg_catalog.pg_type t on t.oid = p.prorettype
 where p.pronamespace = 'public'::regnamespace and p.prokind = 'f' and p.prorettype <> 'trigger'::regtype
"""

SETTINGS = """
select r.rolname, s.setconfig
  from pg_catalog.pg_db_role_setting s join pg_catalog.pg_roles r on r.oid = s.setrole
 where s.setdatabase in (0, (select oid from pg_catalog.pg_database where datname = current_database()))
 order by s.setdatabase
"""


@dataclass(frozen=True)
class Column:
    """A column: its type as SQL writes it, its default as SQL, and whether it is part of the primary key."""

    name: str
    type: str
    default: str | None
    key: bool


@dataclass(frozen=True)
class Function:
    """A function: the names and types of what goes in, how many of the last have a default, and what comes out."""

    name: str
    args: dict[str, str]
    defaults: int
    writes: bool
    many: bool
    void: bool
    rows: bool
    variadic: bool

    def takes(self, names: set[str]) -> bool:
        """Whether it can be called with these arguments by name."""
        needed = list(self.args)[: len(self.args) - self.defaults]
        return set(needed) <= names <= set(self.args)


class Catalog:
    """Columns by table and functions by name.

    Args:
        dsn: of somebody who may read the catalogue and listen.
    """

    def __init__(self, dsn: str) -> None:
        self._line = psycopg.connect(dsn, autocommit=True)
        # what comes while a statement runs is given to the handler; what comes between, `_look` takes off the socket
        self._line.add_notify_handler(lambda note: self._hear(note.payload))
        self._line.execute("listen pgrst")
        self._lock = threading.Lock()
        self._stale = True

    def close(self) -> None:
        self._line.close()

    def table(self, name: str) -> dict[str, Column]:
        """Columns of a table or view by name, in its order; none for an unknown one."""
        self._look()
        return self._tables.get(name, {})

    def functions(self, name: str) -> list[Function]:
        """The functions of this name."""
        self._look()
        return self._functions.get(name, [])

    def settings(self, role: str) -> dict[str, str]:
        """What `alter role … set` says of a role, which its transactions get: e.g. `statement_timeout`."""
        self._look()
        return self._settings.get(role, {})

    def hear(self) -> None:
        """Take in what was notified up to now; after this no earlier notification is on its way."""
        with self._lock:
            self._line.execute("select 1")

    def _hear(self, said: str) -> None:
        if said in ("", "reload schema", "reload config"):
            self._stale = True

    def _look(self) -> None:
        with self._lock:
            self._line.pgconn.consume_input()
            while note := self._line.pgconn.notifies():
                self._hear(note.extra.decode())
            if self._stale:
                self._read()

    def _read(self) -> None:
        self._stale = False
        tables: defaultdict[str, dict[str, Column]] = defaultdict(dict)
        for table, column, kind, default, key in self._line.execute(TABLES):
            tables[table][column] = Column(column, kind, default, key)
        functions: defaultdict[str, list[Function]] = defaultdict(list)
        for name, names, modes, types, *rest in self._line.execute(FUNCTIONS):
            modes = modes or ["i"] * len(types)
            names = names or [""] * len(types)
            inputs = [
                (arg, kind) for arg, mode, kind in zip(names, modes, types, strict=True) if mode in ("i", "b", "v")
            ]
            defaults, volatile, many, void, rows, variadic = rest
            functions[name].append(Function(name, dict(inputs), defaults, volatile == "v", many, void, rows, variadic))
        settings: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for role, said in self._line.execute(SETTINGS):
            settings[role] |= dict(one.split("=", 1) for one in said)
        self._tables, self._functions, self._settings = dict(tables), dict(functions), dict(settings)
