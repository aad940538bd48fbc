"""What fal's answers mean when they are no success: one mapping from status, headers and body to a ProviderError."""

from collections.abc import Mapping
from typing import Any

from core.errors import Charged, OutcomeUnknown, ProviderError, ProviderRefused, ProviderUnavailable
from core.models.spec import Clip, FormField, ModelSpec, Prompt, Sound, Still
from core.providers.fal_answer import Answer, Phase, one_line
from core.providers.fal_words import MODEL_TYPES, OLD_NAMES, REQUEST_TYPES, Words, in_words

RETRY_AFTER_S = 5.0  # where fal says "later" without saying when; a slot lasts seconds at least
MOST_DETAILS = 3  # sentences of one refusal; more is a wall
AS_SOON_AS_MENDED = "The job goes on at fal and is followed again as soon as that is mended."
BILLING = "fal.ai/dashboard/billing"
LOCKED_WORDS = ("locked", "balance", "credit", "payment")
LOST = (
    "The answer to the request was lost: fal may have accepted this job, and may charge for it. It is not sent again by itself. "
    "Look for it at fal.ai/dashboard and attach its request id, or send it again knowingly."
)


def from_response(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    spec: ModelSpec | None,
    *,
    phase: Phase,
    endpoint: str | None = None,
) -> ProviderError:
    """The error that an unwelcome answer stands for.

    Args:
        status: HTTP status; a 2xx means that the caller could not use the body.
        headers: by lower-case name, or case-insensitive.
        body: as it came, without the key.
        spec: the model, so that the message can name the form's field; None where it has left the catalogue.
        phase: which call it answers. A refused `submit` or `upload` is final; on `status`, `result` and `cancel` a bad
            key or a web page is no verdict on the job and passes. Only `result` replays the model's own verdict.
        endpoint: the endpoint that was called, where it is not the model's own.
    """
    answer = Answer(status, headers, body, phase, spec)
    if status < 300:
        return _passing_or_lost(answer, "odd_answer", "fal's answer cannot be read. It is asked again by itself.")
    if status < 400:
        return _set_up(
            answer,
            "redirected",
            "fal's address answers with a redirect. Set FAL_BASE_URL to the address itself, e.g. https://fal.run.",
        )
    if status == 404:
        return _not_found(answer, endpoint or (spec.endpoint if spec else "?"))
    if answer.is_page and status < 500 and status not in (408, 425, 429):
        return _set_up(
            answer,
            "not_fal",
            f"A web page with status {status} came in place of fal's answer. Check FAL_BASE_URL and the proxy or firewall in between.",
        )
    if status in (401, 402, 403):
        return _account(answer)
    if status in (425, 429):
        wait = answer.retry_after_s
        message = "fal takes no more requests at this moment; it is tried again by itself."
        return ProviderUnavailable(
            "rate_limited", message, raw=answer.raw, retry_after_s=RETRY_AFTER_S if wait is None else wait
        )
    if status == 408:
        return _passing_or_lost(answer, "timeout", "fal did not answer in time. It is asked again by itself.")
    if status >= 500:
        return _server_fault(answer)
    if phase in ("status", "cancel") and status not in (400, 422):
        return ProviderUnavailable(
            "odd_answer",
            f"fal gave an answer that means nothing here ({status}). It is asked again by itself.",
            raw=answer.raw,
        )
    return _refusal(answer)


def endpoint_setting(slug: str) -> str:
    """Name of the setting that gives a model another endpoint. The dashes of the slug stay: `.env` takes them, and only so it is found."""
    return f"FAL_ENDPOINT__{slug.upper()}"


# --- One function for each kind of answer -------------------------------------------------------------------------


def _passing_or_lost(answer: Answer, kind: str, message: str) -> ProviderError:
    """An answer that says nothing: on a submit the outcome is unknown, elsewhere the call comes again."""
    if answer.phase == "submit":
        return OutcomeUnknown(kind, LOST, charged=Charged.MAYBE, raw=answer.raw)
    return ProviderUnavailable(kind, message, raw=answer.raw, retry_after_s=answer.retry_after_s)


def _set_up(answer: Answer, kind: str, message: str) -> ProviderError:
    """Something that the operator has to mend: final before the job is at fal, passing afterwards."""
    if answer.phase in ("upload", "submit"):
        return ProviderRefused(kind, message, retryable=True, raw=answer.raw)
    return ProviderUnavailable(kind, f"{message} {AS_SOON_AS_MENDED}", raw=answer.raw)


def _account(answer: Answer) -> ProviderError:
    locked = answer.status == 402 or (
        answer.status == 403 and any(word in answer.text.lower() for word in LOCKED_WORDS)
    )
    if locked:
        return _set_up(
            answer,
            "locked_account",
            f"The fal account is locked or out of credit ({answer.status}). Top up at {BILLING}.",
        )
    if answer.status == 401:
        return _set_up(answer, "wrong_key", "fal refused the key (401). Check FAL_API_KEY in .env, then restart.")
    return _set_up(
        answer,
        "wrong_key",
        "fal does not allow this with the key (403). Give the key the API permission at fal.ai/dashboard/keys, or set another FAL_API_KEY in .env.",
    )


def _not_found(answer: Answer, endpoint: str) -> ProviderError:
    if answer.phase == "upload":
        return _set_up(
            answer, "not_fal", "fal's upload service was not found (404). Check FAL_BASE_URL and FAL_REST_URL."
        )
    if answer.phase == "submit":
        slug = answer.spec.slug if answer.spec else "<model>"
        message = (
            f"fal does not know the endpoint “{endpoint}” (404): it no longer lists it, or the name is wrong. "
            f"Set {endpoint_setting(slug)} in .env to an endpoint that takes the same input, or use another model."
        )
        if "lucy" in endpoint and "image-to-video" in endpoint:
            message += " fal's catalogue stopped listing Decart's Lucy image-to-video endpoints in 2026."
        return ProviderRefused("endpoint_not_found", message, raw=answer.raw)
    if answer.is_page:
        return _set_up(
            answer, "not_fal", "A web page with status 404 came in place of fal's answer. Check FAL_BASE_URL."
        )
    message = "fal does not know this request: the id is wrong, belongs to another account, or is too old. Look for the video at fal.ai/dashboard."
    return ProviderRefused("request_not_found", message, charged=Charged.MAYBE, raw=answer.raw)


def _server_fault(answer: Answer) -> ProviderError:
    if answer.phase == "submit":
        at_the_door = answer.status == 503 and answer.is_page and not answer.headers.get("x-fal-request-id")
        if not at_the_door:
            return OutcomeUnknown(
                answer.error_type or f"http_{answer.status}", LOST, charged=Charged.MAYBE, raw=answer.raw
            )
        wait = answer.retry_after_s
        message = (
            "fal's front door is closed for a moment (503); nothing was accepted, and it is tried again by itself."
        )
        return ProviderUnavailable(
            "busy", message, raw=answer.raw, retry_after_s=RETRY_AFTER_S if wait is None else wait
        )
    if answer.phase == "result" and answer.error_type and not answer.is_page:
        return _refusal(answer)
    message = f"fal has a fault of its own ({answer.status}); it is asked again by itself."
    return ProviderUnavailable(f"http_{answer.status}", message, raw=answer.raw, retry_after_s=answer.retry_after_s)


def _refusal(answer: Answer) -> ProviderRefused:
    """The verdict on this request. fal never charges a 5xx; a 4xx after the model looked at it may be charged (fal.md 1.8)."""
    judged = answer.phase in ("status", "result", "cancel")
    charged = Charged.MAYBE if judged and answer.status < 500 else Charged.NO
    kind, field, sentences = answer.error_type, None, []
    for entry in answer.entries:
        item, number = field_of(entry.get("loc"), answer.spec)
        field = field or item
        sentence = _sentence(entry, item, number)
        if sentence not in sentences:
            sentences.append(sentence)
    if not sentences:
        known = REQUEST_TYPES.get(kind) or MODEL_TYPES.get(kind)
        said = f" fal says: “{answer.text}”." if answer.text and kind != "client_cancelled" else ""
        sentences = [_filled(known, {}, None) + said if known else f"fal refused the request ({answer.status}).{said}"]
    message = " ".join(sentences[:MOST_DETAILS])
    return ProviderRefused(
        kind or f"http_{answer.status}",
        message,
        field=field.name if field else None,
        charged=charged,
        retryable=answer.retryable,
        raw=answer.raw,
    )


# --- One detail ---------------------------------------------------------------------------------------------------


def field_of(loc: Any, spec: ModelSpec | None) -> tuple[FormField | None, int | None]:
    """The form's field that a `loc` such as `["body", "video_urls", 1]` names, and the place in its list from 1, if any."""
    if spec is None or not isinstance(loc, list | tuple):
        return None, None
    by_name = {name: item for item in spec.fields for name in (item.wire, item.name)}
    for at, part in enumerate(loc):
        if isinstance(part, str) and part in by_name:
            after = loc[at + 1] if at + 1 < len(loc) else None
            return by_name[part], after + 1 if isinstance(after, int) else None
    return None, None


def _sentence(entry: Mapping[str, Any], item: FormField | None, number: int | None) -> str:
    kind, ctx = str(entry.get("type") or ""), dict(entry["ctx"]) if isinstance(entry.get("ctx"), dict) else {}
    if kind in OLD_NAMES:
        kind, limit_name = OLD_NAMES[kind]
        ctx = (
            {**ctx, limit_name: ctx.get("limit_value", ctx.get("enum_values", ctx.get("permitted")))}
            if limit_name
            else ctx
        )
    name = _name(item, number, kind)
    words, said = MODEL_TYPES.get(kind), one_line(str(entry.get("msg") or ""))
    if words is not None:
        return _filled(words, ctx, name)
    about = f"{name} cannot be used" if name else "The model refused the input"
    return f"{about}: “{said}”" if said else f"{about}."


def _name(item: FormField | None, number: int | None, kind: str) -> str | None:
    """How a message calls the input. A content check says "the prompt" or "the picture", so that it is clear which of the two."""
    if item is None:
        return None
    place = f" (number {number})" if number else ""
    if kind != "content_policy_violation":
        return f"“{item.label}”{place}"
    nouns = ((Prompt, "prompt"), (Still, "picture"), (Clip, "clip"), (Sound, "sound"))
    noun = next((noun for kind_type, noun in nouns if isinstance(item.kind, kind_type)), "input")
    return f"the {noun}{place}" if noun == item.label.lower() else f"the {noun} “{item.label}”{place}"


def _filled(words: Words, ctx: Mapping[str, Any], name: str | None) -> str:
    parts = [words.said.format(it=name or words.it)]
    if words.limit:
        told = {key: in_words(value, key) for key, value in ctx.items() if value is not None}
        try:
            parts.append(words.limit.format_map(told))
        except KeyError:
            parts.append("")  # fal did not say what is allowed
    return " ".join(part for part in (*parts, words.advice) if part)
