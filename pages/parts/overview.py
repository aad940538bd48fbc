"""The overview of what the filters find: takes and dollars by day, by model or by state. While it is folded it asks nothing."""

from collections.abc import Mapping, Sequence
from datetime import date
from html import escape

import pandas as pd
import streamlit as st

from core.jobs import overview
from core.jobs.asked import PLACES
from core.jobs.history import Search, Sum
from core.jobs.job import State, utc_now
from core.jobs.overview import Step, Total
from core.models import MODELS
from core.studio import current
from pages.parts import address, card, words

STACKS = {"model": "By model", "state": "By state"}
SPANS = {"30": "30 days", "365": "One year", "all": "All"}
HEIGHT = 200  # CSS pixels of a chart
# Each has a contrast of at least 3 to 1 on the white and on the dark background.
HUES = ("#D6409F", "#3B82F6", "#0D9488", "#D97706", "#8B5CF6", "#4D9C2F", "#A8763E", "#64809B")
REST = "#868C98"  # models that have left the catalogue
SHADES = {
    "green": "#16A34A",
    "red": "#EF4444",
    "gray": REST,
    "orange": "#D97706",
    "blue": "#3B82F6",
    "violet": "#8B5CF6",
}
CELL = "padding:.3rem .6rem .3rem 0;border-bottom:1px solid color-mix(in srgb,currentColor 15%,transparent);"
NUMBER = CELL + "text-align:right;white-space:nowrap;"


def switch() -> None:
    """Unfold the overview, or fold it."""
    key = address.held("overview", address.text("overview") == "1")
    st.toggle("Overview", key=key, on_change=_turn)


def show(search: Search) -> None:
    """The overview in a place of its own, where it is unfolded."""
    with st.container(key="overview"):
        if address.text("overview") == "1":
            with st.container(key="overview-open", border=True, gap="small"):
                _unfolded(search)


def _turn() -> None:
    is_on = bool(st.session_state[address.key("overview")])
    address.change({"overview": ["1"]} if is_on else {"overview": [], "by": [], "span": []})


def _unfolded(search: Search) -> None:
    today = utc_now().date()
    by, span = address.one("by", STACKS), address.one("span", SPANS)
    has_dates = search.since is not None or search.until is not None
    with st.container(key="overview-set", horizontal=True, horizontal_alignment="distribute"):
        _choice("Stacked", "by", STACKS, by)
        if not has_dates:
            _choice("Time", "span", SPANS, span)
    asked = search if span == "all" else overview.within(search, int(span), today)
    sums = current().sums(asked)
    if not sums:
        st.caption("None of these takes was made in that time.")
        return
    first, last = overview.span(asked, sums, today)
    whole = overview.totals(sums, lambda _: "all")["all"]
    st.markdown(_line(whole))
    parts = _parts(sums, by)
    step = overview.step(first, last)
    bar_of = overview.bars(sums, step)
    added = overview.totals(sums, lambda row: (bar_of[row.day], _part(row, by)))
    frame = _frame(overview.starts(first, last, step), step, added, parts, by)
    for place, (title, column) in zip(
        st.columns(2, gap="medium"),
        ((f"Takes per {step}", "takes"), (f"Spent per {step}, as estimated", "usd")),
        strict=True,
    ):
        with place:
            st.caption(words.plain(title))
            _bars(title, column, frame, parts, by)
    waits = _waits(asked) if by == "model" else {}
    st.html(_table(parts, overview.totals(sums, lambda row: _part(row, by)), waits, by))
    st.caption(
        words.plain(_basis(whole, first, last) + (" Ready in: the median from the start to the file." if waits else ""))
    )


def _choice(label: str, name: str, options: Mapping[str, str], now: str) -> None:
    st.segmented_control(
        label, list(options), format_func=lambda option: words.choice(options[option]), required=True, key=address.held(name, now),
        label_visibility="collapsed", **address.changes(name),
    )  # fmt: skip


# --- what is stacked ----------------------------------------------------------------------------------------------


def _part(row: Sum, by: str) -> str:
    return row.model if by == "model" else row.state


def _parts(sums: Sequence[Sum], by: str) -> dict[str, str]:
    """What the bars are stacked of, in the same order whatever is found, with the colours."""
    present = {_part(row, by) for row in sums}
    if by == "state":
        return {state: SHADES[words.LOOKS[state].color] for state in State if state in present}
    hues = dict(zip(MODELS, HUES, strict=False))
    return {slug: hues.get(slug, REST) for slug in (*MODELS, *sorted(present - set(MODELS))) if slug in present}


def _name(part: str, by: str) -> str:
    return words.short(card.title_of(part), 40) if by == "model" else words.LOOKS[State(part)].word


def _waits(search: Search) -> dict[str, dict[str, float]]:
    """Median seconds by model, by where it ran: how fast a preview is tells nothing of the model."""
    places = [place for place in PLACES if place in (search.places or PLACES)]
    found = {place: current().usual_waits(overview.at(search, place)) for place in places}
    return {place: waits for place, waits in found.items() if waits}


# --- charts -------------------------------------------------------------------------------------------------------


def _frame(
    bars: Sequence[date], step: Step, added: Mapping[tuple[date, str], Total], parts: Mapping[str, str], by: str
) -> pd.DataFrame:
    """One line a bar and part, with the empty bars too, so that a day on which nothing was made has its place."""
    several_years = bars[0].year != bars[-1].year
    lines = []
    for bar in bars:
        label = f"{bar:%b %Y}" if step is Step.MONTH else f"{bar.day} {bar:%b}{f' {bar:%y}' if several_years else ''}"
        for part in parts:
            total = added.get((bar, part), Total())
            lines.append({"bar": label, "part": _name(part, by), "takes": total.takes, "usd": round(total.usd, 4)})
    return pd.DataFrame(lines)


def _bars(title: str, column: str, frame: pd.DataFrame, parts: Mapping[str, str], by: str) -> None:
    whole = frame.groupby("bar", sort=False)[column].sum()
    if not whole.any():
        st.caption("Nothing was spent." if column == "usd" else "No takes.")
        return
    axis = {"title": None, "tickCount": 4, "format": ",d", "tickMinStep": 1}
    number = ",d"
    if column == "usd":
        axis, number = {"title": None, "tickCount": 4, "format": "$,.4~f"}, "$,.2f"
    spec = {
        "mark": {"type": "bar"},
        "encoding": {
            "x": {
                "field": "bar",
                "type": "ordinal",
                "sort": None,
                "axis": {
                    "title": None,
                    "labelAngle": 0,
                    "labelOverlap": "greedy",
                    "labelSeparation": 8,
                    "labelBound": 8,
                },
            },
            "y": {"field": column, "type": "quantitative", "stack": "zero", "axis": axis},
            "color": {
                "field": "part",
                "type": "nominal",
                "scale": {"domain": [_name(part, by) for part in parts], "range": list(parts.values())},
                "legend": None,  # the table below has the colours
            },
            "tooltip": [
                {"field": "bar", "title": title.split(",")[0]},
                {"field": "part", "title": by.capitalize()},
                {"field": column, "title": column.capitalize(), "format": number},
            ],
        },
    }
    top, highest = str(whole.idxmax()), whole.max()
    most = f"{highest:,}" if column == "takes" else f"${highest:,.2f}"
    told = f"{title}: {len(whole)} bars from {whole.index[0]} to {whole.index[-1]}; the highest is {most}, {top}."
    st.vega_lite_chart(frame, spec, height=HEIGHT, alt=told)


# --- words and numbers --------------------------------------------------------------------------------------------


def _line(whole: Total) -> str:
    takes = f"**{whole.takes:,}** {'take' if whole.takes == 1 else 'takes'}"
    return (
        f"{takes} · **{_share(whole.done, whole.takes)}** done · **{words.plain(_usd(whole.usd))}** spent, as estimated"
    )


def _basis(whole: Total, first: date, last: date) -> str:
    told = f"{_day(first)} to {_day(last)}, UTC. Only takes that are done count as spent, each at the upper end of its estimate."
    if whole.unpriced:
        told += f" {whole.unpriced:,} of them {'has' if whole.unpriced == 1 else 'have'} no published price and cannot be counted."
    return told


def _usd(dollars: float) -> str:
    return f"${dollars:,.2f}" if dollars >= 0.005 or not dollars else "under $0.01"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}"


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def _table(
    parts: Mapping[str, str], totals: Mapping[str, Total], waits: Mapping[str, Mapping[str, float]], by: str
) -> str:
    """The numbers of the bars, and what their colours mean."""
    places = {place: f"Ready in, {current().provider_title(place)}" for place in waits}
    heads = [by.capitalize(), "Takes", *(("Done", "Spent") if by == "model" else ("Share",)), *places.values()]
    count = sum(total.takes for total in totals.values())
    lines = []
    for part, color in parts.items():
        total = totals[part]
        mark = f'<span style="color:{color}" aria-hidden="true">■</span> '
        if by == "model":
            cells = [f"{total.takes:,}", _share(total.done, total.takes), _usd(total.usd)]
            cells += [words.seconds(waits[place][part]) if part in waits[place] else "" for place in places]
        else:
            cells = [f"{total.takes:,}", _share(total.takes, count)]
        row = f'<th scope="row" style="{CELL}text-align:left;font-weight:400">{mark}{escape(_name(part, by))}</th>'
        lines.append(row + "".join(f'<td style="{NUMBER}">{escape(cell)}</td>' for cell in cells))
    head = "".join(
        f'<th scope="col" style="{CELL}text-align:{side};vertical-align:bottom;font-weight:600">{escape(text)}</th>'
        for text, side in zip(heads, ["left", *["right"] * (len(heads) - 1)], strict=True)
    )
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return (
        '<div style="overflow-x:auto" tabindex="0" role="region" aria-label="Numbers of the overview">'
        '<table style="border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
