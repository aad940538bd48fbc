"""A server on 127.0.0.1 that speaks what we use of Supabase's PostgREST and Storage, in front of a real Postgres.

    with Postgres() as postgres, SupabaseServer(postgres, schema=[…]) as server:
        server.fault("rpc claim_jobs", Fault(cut="after"))     # committed, and the reply is lost
        ...
        assert [seen.op for seen in server.calls()] == [...]

README.md tells what of it was recorded, what is from documentation, and what it refuses with 501.
"""

from tests.supabase_server.faults import Fault, Seen
from tests.supabase_server.postgres import Postgres
from tests.supabase_server.server import SupabaseServer

__all__ = ["Fault", "Postgres", "Seen", "SupabaseServer"]
