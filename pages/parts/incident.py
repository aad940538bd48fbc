"""What a visitor sees when a page breaks: a number to report, and no traceback."""

import logging
from uuid import uuid4

import streamlit as st

from core.errors import AppError
from pages.parts import words

log = logging.getLogger("takes.web")


def show(error: Exception) -> bool:
    """Show an error of a page; True tells Streamlit that it is dealt with."""
    if isinstance(error, AppError):
        st.error(words.plain(error.message), icon=":material/error:")
        return True
    incident = uuid4().hex[:8]
    log.error("incident %s", incident, exc_info=error)
    st.error(
        f"This page met an error it did not expect. Nothing you made is lost. Reload the page; if it comes back, "
        f"tell the person who runs Takes the number **{incident}**.",
        icon=":material/error:",
    )
    return True
