"""The frame of every page: title, identity, and the menu that the registry makes."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from core.models.spec import ModelSpec
from core.studio import current
from pages import generate, jobs
from pages.parts import identity

ASSETS = Path(__file__).parent / "assets"


def model_page(spec: ModelSpec, default: bool) -> st.Page:
    """The page of a model, under its slug."""

    def show() -> None:
        generate.render(spec)

    return st.Page(_named(show, spec.slug), title=spec.title, url_path=spec.slug, default=default)


def _named(show: Callable[[], None], slug: str) -> Callable[[], None]:
    show.__name__ = f"model_{slug.replace('-', '_')}"
    return show


st.set_page_config(page_title="Takes", page_icon=str(ASSETS / "favicon.png"), layout="wide")
st.logo(str(ASSETS / "wordmark.svg"), icon_image=str(ASSETS / "favicon.png"))
identity.owner()
first = current().default_model()
page = st.navigation(
    {
        "Models": [model_page(spec, spec is first) for spec in current().models()],
        "Work": [st.Page(jobs.render, title="Jobs", url_path="jobs")],
    }
)
if not identity.has_cookie() and st.context.url:
    st.warning(
        "This browser keeps no cookies, so your takes will be out of reach after a reload.",
        icon=":material/cookie_off:",
    )
page.run()
