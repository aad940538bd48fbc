"""The frame of every page: title, identity, and the menu that the registry makes."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from core.models.spec import ModelSpec
from core.studio import current
from pages import generate, jobs
from pages.parts import identity, live, reel

ASSETS = Path(__file__).parent / "assets"


def model_page(spec: ModelSpec) -> st.Page:
    """The page of a model, under its slug."""
    return st.Page(_show(spec, spec.slug.replace("-", "_")), title=spec.title, url_path=spec.slug)


def front_page(spec: ModelSpec) -> st.Page:
    """What `/` opens: the default model's page again, since a default page has no address of its own."""
    return st.Page(_show(spec, "front"), title=spec.title, default=True, visibility="hidden")


def _show(spec: ModelSpec, name: str) -> Callable[[], None]:
    def show() -> None:
        generate.render(spec)

    show.__name__ = f"model_{name}"
    return show


st.set_page_config(page_title="Takes", page_icon=str(ASSETS / "favicon.png"), layout="wide")
st.logo(str(ASSETS / f"wordmark-{st.context.theme.type or 'light'}.svg"), icon_image=str(ASSETS / "favicon.png"))
reel.title(live.jobs(identity.owner()), anew=True)  # a look at the tabs tells whether something is still under way
first = current().default_model()
page = st.navigation(  # one list: headed groups would stand in it as no list items, which a screen reader cannot follow
    [
        front_page(first),
        *(model_page(spec) for spec in current().models()),
        st.Page(jobs.render, title="Jobs", url_path="jobs"),
    ]
)
if not identity.has_cookie() and st.context.url:
    st.warning(
        "This browser keeps no cookies, so your takes will be out of reach after a reload.",
        icon=":material/cookie_off:",
    )
page.run()
