-- The roles of a new hosted project, from Supabase's documentation. The superuser is supabase_admin; migrations run as
-- postgres, which is none, so that a migration that would need one fails here and not at a user's.
create role postgres login createdb createrole bypassrls;
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
create role authenticator login noinherit;
create role supabase_auth_admin nologin noinherit createrole;
create role supabase_storage_admin login noinherit createrole;

grant anon, authenticated, service_role to authenticator, supabase_storage_admin, postgres with admin option;
-- so that postgres may create policies on storage.objects (a hosted project allows just that, by an extension)
grant supabase_storage_admin to postgres;

alter role postgres set search_path = "$user", public, extensions;
alter role authenticator set statement_timeout = '8s';
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
