"""A server on 127.0.0.1 that speaks what we use of Supabase's PostgREST and Storage, in front of a real Postgres."""

from tests.supabase_server.faults import Fault, Seen
from tests.supabase_server.postgres import Postgres
from tests.supabase_server.server import SupabaseServer

__all__ = ["Fault", "Postgres", "Seen", "SupabaseServer"]
