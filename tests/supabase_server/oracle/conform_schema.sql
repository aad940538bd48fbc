-- Schema that conform.py expects, exactly as transcript.txt was recorded with it. Plain PostgreSQL 15;
-- apply once as a superuser to an empty database:  psql -v ON_ERROR_STOP=1 -f conform_schema.sql
-- On a hosted Supabase project the four roles exist, so their block does nothing (not tried there); "authenticator"
-- with its password matters only to a real PostgREST, which logs in with it.
-- The storage schema is not here: it belongs to the Storage server (or to the conformance server).
--
-- A test fixture, NOT the product's schema. Do not copy claim_jobs into the product: its single WHERE with
-- "queued OR lease expired" is slow on a large table.

do $$ begin
 if not exists(select from pg_roles where rolname='anon') then create role anon nologin noinherit; end if;
 if not exists(select from pg_roles where rolname='authenticated') then create role authenticated nologin noinherit; end if;
 if not exists(select from pg_roles where rolname='service_role') then create role service_role nologin noinherit bypassrls; end if;
 if not exists(select from pg_roles where rolname='authenticator') then create role authenticator login noinherit password 'authpass'; end if;
end $$;
grant anon, authenticated, service_role to authenticator;
grant usage on schema public to anon, authenticated, service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;
alter default privileges in schema public grant execute on functions to anon, authenticated, service_role;

create table public.jobs (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  team_id text not null,
  kind text not null check (kind in ('image','video')),
  status text not null default 'queued' check (status in ('queued','running','succeeded','failed','cancelled')),
  priority int not null default 0,
  run_after timestamptz not null default now(),
  attempts int not null default 0,
  max_attempts int not null default 3,
  lease_owner text, lease_until timestamptz,
  idempotency_key text unique,
  params jsonb not null default '{}',
  result jsonb, error text);
create index jobs_claim on public.jobs (priority desc, run_after, id) where status='queued';
create index jobs_expired on public.jobs (lease_until) where status='running';
create index jobs_page on public.jobs (team_id, created_at desc, id desc);
alter table public.jobs enable row level security;
create policy team_read on public.jobs for select to authenticated
  using (team_id = (select current_setting('request.jwt.claims', true)::jsonb ->> 'team_id'));
create policy team_ins on public.jobs for insert to authenticated
  with check (team_id = (select current_setting('request.jwt.claims', true)::jsonb ->> 'team_id') and status='queued');

create or replace function public.claim_jobs(p_worker text, p_lease_s int default 300, p_limit int default 1)
returns setof public.jobs language sql volatile security invoker set search_path='' as $$
  update public.jobs j set status='running', lease_owner=p_worker,
     lease_until=now()+make_interval(secs=>p_lease_s), attempts=j.attempts+1, updated_at=now()
  where j.id in (
     select id from public.jobs
     where (status='queued' and run_after<=now())
        or (status='running' and lease_until<now() and attempts<max_attempts)
     order by priority desc, run_after, id
     for update skip locked limit p_limit)
  returning j.*;
$$;
revoke execute on function public.claim_jobs from public, anon, authenticated;
create or replace function public.boom() returns void language plpgsql as $$ begin raise exception 'no good' using errcode='P0001', detail='dd', hint='hh'; end $$;
create or replace function public.teapot() returns void language plpgsql as $$ begin raise sqlstate 'PT418' using message='short and stout', detail='d', hint='h'; end $$;
create or replace function public.add(a int, b int) returns int language sql immutable as $$ select a+b $$;
notify pgrst, 'reload schema';
