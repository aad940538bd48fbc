"""Which take is opened: the address says it. Opening and closing one are for callbacks."""

import streamlit as st

PARAMETER = "job"  # of the address that a link to a take carries
TURN = "takes.turn"  # a callback inside a part of the page wants the whole page to run


def wanted() -> str | None:
    """The take that the address opens, or None."""
    return st.query_params.get(PARAMETER) or None


def show(job_id: str | None) -> None:
    """Open a take in place of the list; nothing happens for None."""
    if job_id:
        st.query_params[PARAMETER] = job_id
        st.session_state[TURN] = True


def close() -> None:
    """Back to the list."""
    st.query_params.pop(PARAMETER, None)
    st.session_state[TURN] = True


def turn() -> None:
    """Run the whole page where a callback asked for it. Call it at the start of a fragment."""
    if st.session_state.pop(TURN, False):
        st.rerun()
