"""A server on 127.0.0.1 that speaks fal's queue, storage and file protocol, records what it gets, and breaks on demand.

    with FalServer() as server:
        provider = FalProvider(server.settings())
        server.fault("submit", Fault(status=503, html=True), times=2)   # the next two submits
        server.end_with(policy_refusal("prompt"))                        # how the next job ends
        ...
        assert [seen.op for seen in server.record] == [...]

By hand: `python -m tests.fal_server --port 8123 --queue-s 3 --run-s 8`.
"""

from tests.fal_server.faults import Ending, Fault, policy_refusal
from tests.fal_server.queue import Accepted
from tests.fal_server.server import FalServer, Seen

__all__ = ["Accepted", "Ending", "FalServer", "Fault", "Seen", "policy_refusal"]
