"""Tables and functions on the test server, beyond what the transcript shows: what our stores rest on."""

import json
import threading
from typing import Any
from uuid import uuid4

import httpx
import pytest
from postgrest.exceptions import APIError

from tests.supabase_server import Fault, Postgres, SupabaseServer
from tests.supabase_server.asking import raw
from tests.supabase_server.fixtures import Connect, Project

TAKES = """
drop table if exists public.takes cascade;
create table public.takes (
  id uuid primary key default gen_random_uuid(), team text not null, owner uuid, words text[] not null default '{}',
  about jsonb not null default '{}', seen timestamptz not null default now(), size int check (size > 0) default 1,
  unique (team, size)
);
alter table public.takes enable row level security;
create policy of_team on public.takes for all to authenticated
  using (team = (select auth.jwt() -> 'app_metadata' ->> 'team')) with check (owner = (select auth.uid()));
grant all on public.takes to service_role, authenticated, anon;

create or replace function public.put_takes(p jsonb, p_words text[] default '{}') returns setof public.takes language sql as $$
  insert into public.takes (team, about, words, size)
  select t ->> 'team', t - 'team', p_words, (t ->> 'size')::int from jsonb_array_elements(p) as t returning *
$$;
create or replace function public.one_take(p_team text) returns public.takes language sql stable as
  $$ select * from public.takes where team = p_team order by size limit 1 $$;
create or replace function public.sizes() returns setof int language sql stable as $$ select size from public.takes order by size $$;
create or replace function public.counted(p jsonb) returns jsonb language sql stable as
  $$ select jsonb_build_object('takes', (select count(*) from public.takes), 'asked', p) $$;
create or replace function public.named() returns table (team text, n bigint) language sql stable as
  $$ select team, count(*) from public.takes group by team $$;
create or replace function public.forget(p_team text) returns void language sql as $$ delete from public.takes where team = p_team $$;
create or replace function public.who() returns jsonb language sql stable as $$
  select jsonb_build_object('role', auth.role(), 'uid', auth.uid(), 'user', current_user, 'path', current_setting('request.path'))
$$;
create or replace function public.slow() returns void language sql as $$ select pg_sleep(20) $$;
create or replace function public.shouts() returns int language plpgsql as
  $$ begin perform set_config('response.status', '299', true); return 1; end $$;
notify pgrst, 'reload schema';
"""


@pytest.fixture
def takes(supabase: Project) -> Project:
    supabase.sql(TAKES)
    return supabase


# --- Functions ----------------------------------------------------------------------------------------------------


def test_json_goes_in_and_rows_come_out(takes: Project, connect: Connect) -> None:
    data = connect(takes)
    many = [{"team": "a", "size": n, "note": {"quote": '"\\', "snow": "☃"}} for n in (1, 2, 3)]
    put = data.rpc("put_takes", {"p": many, "p_words": ["x, y", '"']}).execute().data
    assert [row["size"] for row in put] == [1, 2, 3]
    assert put[0]["about"] == {"size": 1, "note": {"quote": '"\\', "snow": "☃"}}
    assert put[0]["words"] == ["x, y", '"']
    page = data.rpc("put_takes", {"p": [{"team": "b", "size": n} for n in range(1, 6)]})
    assert page.select("size").order("size", desc=True).limit(2).execute().data == [{"size": 5}, {"size": 4}]
    assert takes.sql("select count(*) from public.takes") == [(8,)], "a page of the answer is no page of the work"


def test_what_a_function_gives_back(takes: Project, connect: Connect) -> None:
    data = connect(takes)
    assert data.rpc("one_take", {"p_team": "a"}).execute().data["id"] is None, "a row of nothing, not no row"
    data.rpc("put_takes", {"p": [{"team": "a", "size": 4}, {"team": "a", "size": 2}]}).execute()
    assert data.rpc("one_take", {"p_team": "a"}).execute().data["size"] == 2
    assert data.rpc("sizes").execute().data == [2, 4]
    assert data.rpc("counted", {"p": {"k": [1, None]}}).execute().data == {"takes": 2, "asked": {"k": [1, None]}}
    assert data.rpc("counted", {"p": '{"k": 1}'}, get=True).execute().data == {"takes": 2, "asked": {"k": 1}}
    assert data.rpc("named").execute().data == [{"team": "a", "n": 2}]
    gone = raw(takes, "POST", "/rest/v1/rpc/forget", json={"p_team": "a"})
    assert (gone.status_code, gone.content) == (204, b"")
    assert takes.sql("select count(*) from public.takes") == [(0,)]


def test_a_function_that_makes_its_own_answer_is_outside(postgres: Postgres) -> None:
    with SupabaseServer(postgres) as server:
        server.sql(TAKES)
        assert raw(server, "POST", "/rest/v1/rpc/shouts").status_code == 501


def test_who_a_function_sees(takes: Project, connect: Connect) -> None:
    me = str(uuid4())
    for line, role, uid in (
        (connect(takes), "service_role", None),
        (connect(takes, takes.secret_key), "service_role", None),
        (connect(takes, takes.anon_key), "anon", None),
        (connect(takes, takes.anon_key, takes.token(me)), "authenticated", me),
    ):
        told = line.rpc("who").execute().data
        assert told == {"role": role, "uid": uid, "user": role, "path": "/rpc/who"}


def test_a_slow_call_is_ended_by_the_roles_own_limit(local_supabase: SupabaseServer, connect: Connect) -> None:
    local_supabase.sql(TAKES)
    assert local_supabase.sql("select rolconfig from pg_roles where rolname = 'anon'") == [(["statement_timeout=3s"],)]
    database = local_supabase.sql("select current_database()")[0][0]
    local_supabase.sql(f"alter role anon in database {database} set statement_timeout = '150ms'; notify pgrst;")
    with pytest.raises(APIError) as ended:
        connect(local_supabase, local_supabase.anon_key).rpc("slow").execute()
    assert ended.value.code == "57014"


# --- Reading ------------------------------------------------------------------------------------------------------


def test_no_read_gives_more_than_a_thousand_rows(postgres: Postgres, connect: Connect) -> None:
    for cap, rows in ((1000, 1000), (None, 1200)):
        with SupabaseServer(postgres, max_rows=cap) as server:
            server.sql(TAKES)
            server.sql("insert into public.takes (team, size) select 'a', n from generate_series(1, 1200) n")
            table = connect(server).table("takes")
            assert len(table.select("id").execute().data) == rows
            assert len(table.select("id").limit(1100).execute().data) == min(rows, 1100)
            assert len(connect(server).rpc("sizes").execute().data) == rows
            counted = table.select("id", count="exact").execute()
            assert (len(counted.data), counted.count) == (rows, 1200), "what is missing shows in the count only"
            assert table.select("id", count="estimated").limit(1).execute().count >= (1200 if cap is None else 1001)
            written = table.update({"words": ["x"]}).eq("team", "a").execute().data
            assert len(written) == 1200, "writes are not capped"


def test_filters_that_carry_what_people_type(takes: Project, connect: Connect) -> None:
    table = connect(takes).table("takes")
    typed = ['a,b', 'a"b', "a\\b", "(a)", "a.b", "not.eq.a", "*", "%", "ü ☃", "a'b", "{a}", ""]  # fmt: skip
    for size, text in enumerate(typed, 1):
        table.insert({"team": text, "size": size, "about": {"t": text}}).execute()
    for size, text in enumerate(typed, 1):
        assert [row["size"] for row in table.select("size").eq("team", text).execute().data] == [size], text
        assert [row["size"] for row in table.select("size").eq("about->>t", text).execute().data] == [size], text
        quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        found = table.select("size").or_(f"team.eq.{quoted},size.eq.0").execute().data
        assert [row["size"] for row in found] == [size], text
    wanted = [text for text in typed if text and not set(text) & set('"\\')]  # supabase-py does not escape these itself
    assert len(table.select("size").in_("team", wanted).execute().data) == len(wanted)
    assert table.select("size").in_("team", []).execute().data == []


def test_a_page_by_key_loses_and_repeats_nothing(takes: Project, connect: Connect) -> None:
    takes.sql(
        "insert into public.takes (team, size, seen) select 'a', n, timestamptz '2026-11-25 08:00:00.123456+00'"
        " + make_interval(secs => n / 3) from generate_series(1, 20) n"
    )
    table, got, after = connect(takes).table("takes"), [], None
    while True:
        page = table.select("id,seen").eq("team", "a").order("seen", desc=True).order("id", desc=True).limit(3)
        if after:
            older = f"seen.lt.{after['seen']},and(seen.eq.{after['seen']},id.lt.{after['id']})"
            page = page.lte("seen", after["seen"]).or_(older)
        if not (rows := page.execute().data):
            break
        got += [row["id"] for row in rows]
        after = rows[-1]
    assert len(got) == len(set(got)) == 20


# --- Writing ------------------------------------------------------------------------------------------------------


def test_a_write_without_a_filter_is_refused(local_supabase: SupabaseServer) -> None:
    local_supabase.sql(TAKES)
    local_supabase.sql("insert into public.takes (team) values ('a')")
    for method, more in (("DELETE", {}), ("PATCH", {"json": {"team": "b"}})):
        answer = raw(local_supabase, method, "/rest/v1/takes", **more)
        assert (answer.status_code, answer.json()["code"]) == (400, "21000")
    assert local_supabase.sql("select team from public.takes") == [("a",)]


def test_one_bad_row_undoes_all(takes: Project, connect: Connect) -> None:
    table = connect(takes).table("takes")
    with pytest.raises(APIError) as refused:
        table.insert([{"team": "a", "size": 1}, {"team": "a", "size": -1}]).execute()
    assert refused.value.code == "23514"
    alone = raw(
        takes, "POST", "/rest/v1/takes", json=[{"team": "a", "size": 5}, {"team": "a", "size": 6}],
        headers={"Prefer": "return=representation", "Accept": "application/vnd.pgrst.object+json"},
    )  # fmt: skip
    assert (alone.status_code, alone.json()["code"]) == (406, "PGRST116"), "asked for one row, wrote two"
    assert takes.sql("select count(*) from public.takes") == [(0,)]


def test_upserts_by_several_columns_and_by_key(takes: Project, connect: Connect) -> None:
    table = connect(takes).table("takes")
    first = table.upsert({"team": "a", "size": 1, "words": ["x"]}, on_conflict="team,size").execute().data[0]
    again = table.upsert({"team": "a", "size": 1, "words": ["y"]}, on_conflict="team,size").execute().data[0]
    assert (again["id"], again["words"]) == (first["id"], ["y"])
    by_key = table.upsert({"id": first["id"], "team": "z"}).execute().data[0]
    assert (by_key["team"], by_key["size"]) == ("z", 1), "what is not said stays"
    kept = table.upsert({"id": first["id"], "team": "q"}, ignore_duplicates=True, returning="minimal").execute()
    assert kept.data == []
    assert takes.sql("select team from public.takes") == [("z",)]


# --- Row level security -------------------------------------------------------------------------------------------


def test_a_team_sees_and_changes_its_own_rows_only(takes: Project, connect: Connect) -> None:
    me = str(uuid4())
    takes.sql("insert into public.takes (team, size) values ('a', 1), ('b', 2)")
    mine = connect(takes, takes.anon_key, takes.token(me, app_metadata={"team": "a"})).table("takes")
    forged = connect(takes, takes.anon_key, takes.token(me, user_metadata={"team": "b"}, team="b")).table("takes")
    stranger = connect(takes, takes.anon_key).table("takes")
    assert [row["team"] for row in mine.select("*").execute().data] == ["a"]
    for other in (forged, stranger):
        assert other.select("*").execute().data == []
        assert other.update({"team": "x"}).gt("size", 0).execute().data == []
        assert other.delete().gt("size", 0).execute().data == []
    assert mine.update({"size": 9, "owner": me}).eq("team", "b").execute().data == []
    assert mine.insert({"team": "a", "owner": me, "size": 3}).execute().data[0]["owner"] == me
    for table, row, status in ((mine, {"team": "a", "owner": str(uuid4()), "size": 4}, "42501"), (stranger, {"team": "a"}, "42501")):  # fmt: skip
        with pytest.raises(APIError) as refused:
            table.insert(row).execute()
        assert refused.value.code == status
    assert takes.sql("select team, size from public.takes order by size") == [("a", 1), ("b", 2), ("a", 3)]


def test_a_plain_insert_needs_no_policy_for_reading(takes: Project, connect: Connect) -> None:
    takes.sql(
        "drop policy of_team on public.takes; create policy only_in on public.takes for insert to authenticated with check (true)"
    )
    blind = connect(takes, takes.anon_key, takes.token(str(uuid4()))).table("takes")
    assert blind.insert({"team": "a"}, returning="minimal").execute().data == []
    with pytest.raises(APIError) as refused:
        blind.insert({"team": "a", "size": 2}).execute()
    assert refused.value.code == "42501"
    assert takes.sql("select size from public.takes") == [(1,)]


# --- Many at once -------------------------------------------------------------------------------------------------


def test_eight_writers_and_one_row(takes: Project, connect: Connect) -> None:
    takes.sql("insert into public.takes (team, size) values ('a', 1)")
    lines, won = [connect(takes) for _ in range(8)], []

    def grab(number: int) -> None:
        rows = (
            lines[number].table("takes").update({"about": {"by": number}}).eq("team", "a").eq("about", "{}").execute()
        )
        won.extend(rows.data)

    threads = [threading.Thread(target=grab, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_stopping_does_not_wait_for_a_stuck_request(postgres: Postgres) -> None:
    with SupabaseServer(postgres) as server:
        server.sql(TAKES)
        server.fault("rpc slow", Fault())
        call = threading.Thread(target=lambda: _ended(server), daemon=True)
        call.start()
        while server.to_come("rpc slow"):
            pass
    call.join(5)
    assert not call.is_alive()


def _ended(server: SupabaseServer) -> Any:
    try:
        return json.loads(raw(server, "POST", "/rest/v1/rpc/slow").content or b"null")
    except httpx.HTTPError as exc:
        return exc
