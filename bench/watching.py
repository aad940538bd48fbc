"""A browser tab on the jobs page without the browser: opens it, and asks again as the autorefresh component does."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
from websockets.sync.connection import Connection
from websockets.typing import Subprotocol

from bench.pages import Server
from core.web.identity import COOKIE, Identity

PAGE = "jobs"
ANSWER_S = 60.0  # nobody waits longer
CARD = re.compile(r"live-[0-9a-f]{8}-")  # in the id of a card's container: its take's id
COMPONENT = "streamlit_autorefresh.st_autorefresh"


@dataclass(frozen=True)
class Answer:
    """What the server sent for one request.

    Args:
        seconds: from the request to the message that says that the run is over.
        bytes: of all its messages, not compressed.
        cards: takes in motion that were shown.
    """

    seconds: float
    bytes: int
    cards: int


class Tab:
    """One session on the jobs page. Made by `tab`."""

    def __init__(self, socket: Connection, url: str) -> None:
        self._socket = socket
        self._state = ClientState(page_name=PAGE)
        self._state.context_info.url = f"{url}/{PAGE}"
        self._state.context_info.timezone = "UTC"
        self._fragment = ""
        self._clock = ""
        self._times = 0

    def open(self) -> Answer:
        """Open the page, or load it again."""
        self._state.page_script_hash = ""  # else it is the page of that hash, and no longer the one of this name
        answer = self._ask(self._state)
        if not self._clock:
            raise RuntimeError("the jobs page does not refresh itself")
        return answer

    def refresh(self) -> Answer:
        """What the page's clock does: it counts on, and its part of the page runs again."""
        self._times += 1
        state = ClientState()
        state.CopyFrom(self._state)
        state.fragment_id = self._fragment
        state.widget_states.widgets.add(id=self._clock, json_value=str(self._times))
        return self._ask(state)

    def _ask(self, state: ClientState) -> Answer:
        began = time.perf_counter()
        self._socket.send(BackMsg(rerun_script=state).SerializeToString())
        size = cards = 0
        while True:
            data = bytes(self._socket.recv(timeout=ANSWER_S, decode=False))
            size += len(data)
            message = ForwardMsg.FromString(data)
            match message.WhichOneof("type"):
                case "new_session":
                    self._state.page_script_hash = message.new_session.page_script_hash
                case "delta":
                    cards += bool(CARD.search(message.delta.add_block.id))
                    element = message.delta.new_element
                    if element.component_instance.component_name == COMPONENT:
                        self._clock, self._fragment = element.component_instance.id, message.delta.fragment_id
                    if element.WhichOneof("type") == "exception":
                        raise RuntimeError(f"the page shows an error: {element.exception.message}")
                case "script_finished":
                    if message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                        raise RuntimeError("the page does not compile")
                    if message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                        return Answer(time.perf_counter() - began, size, cards)


@contextmanager
def tab(server: Server, identity: Identity, owner: str) -> Iterator[Tab]:
    """A tab of this owner's browser, nothing asked yet."""
    address = f"ws://127.0.0.1:{server.port}/_stcore/stream"
    headers = {"Cookie": f"{COOKIE}={identity.sign(owner)}"}
    with connect(
        address, subprotocols=[Subprotocol("streamlit")], additional_headers=headers, max_size=None, proxy=None
    ) as stream:
        yield Tab(stream, server.url)
