"""A user of fal-client, for `bench.engine`: follows the requests that come in on standard input, as its README shows.

In: one line `endpoint request_id` for each. Out: one line `request_id seconds` when it was seen to be done, the seconds
those of `time.monotonic`, which all processes of a computer share.
"""

import asyncio
import sys
import time

import fal_client
import fal_client.client


async def follow(client: fal_client.AsyncClient, endpoint: str, request_id: str) -> None:
    """Wait for one request, with the client's own pause between two looks, and read what it made."""
    handle = await client.get_handle(endpoint, request_id)
    async for event in handle.iter_events(with_logs=True):
        if isinstance(event, fal_client.Completed):
            print(request_id, time.monotonic(), flush=True)
    await handle.get()


async def main(url: str) -> None:
    # Its FAL_QUEUE_RUN_HOST is a host that it puts behind https://. The fake fal speaks plain http, which also spares
    # the client the work of TLS; so the finished address is set instead. The key comes from FAL_KEY.
    fal_client.client.QUEUE_URL_FORMAT = f"{url}/"
    client = fal_client.AsyncClient()
    follows = set()
    while line := await asyncio.to_thread(sys.stdin.readline):
        follows.add(asyncio.create_task(follow(client, *line.split())))
    for ended in await asyncio.gather(*follows, return_exceptions=True):
        if isinstance(ended, BaseException):
            print(repr(ended), file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
