"""Whose session this is, checked again at every run of a page."""

from uuid import uuid4

import streamlit as st

from core.studio import current
from core.web.identity import COOKIE

OWNER = "takes.owner"  # the owner that this session's cached rows belong to
GUEST = "takes.guest"  # stands in where the browser sends no cookie


def owner() -> str:
    """The verified owner of this run.

    A Streamlit session can be taken over by whoever learns its id, so what it caches is dropped as soon as the cookie
    names somebody else. A browser without cookies gets an owner for this session only.
    """
    verified = current().identity.owner(st.context.cookies.get(COOKIE))
    if verified is None:
        verified = st.session_state.setdefault(GUEST, f"guest-{uuid4()}")
    if st.session_state.get(OWNER, verified) != verified:
        st.session_state.clear()
    st.session_state[OWNER] = verified
    return str(verified)


def has_cookie() -> bool:
    """Whether this browser will be known again after a reload."""
    return current().identity.owner(st.context.cookies.get(COOKIE)) is not None
