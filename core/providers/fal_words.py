"""What each of fal's error types means in words for the user (fal.md 1.8)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """The message of one error type.

    Args:
        said: what happened; `{it}` stands for the input concerned.
        limit: what is allowed, with names from the error's `ctx`; left out where fal does not tell one of them.
        advice: what to do.
        it: what `{it}` reads where fal names no input.
    """

    said: str
    limit: str = ""
    advice: str = ""
    it: str = "An input"


PICTURE, CLIP, SOUND, FILE, TEXT, VALUE = "The picture", "The clip", "The sound", "A file", "A text", "A value"
AGAIN = "Send it again."

MODEL_TYPES: dict[str, Words] = {
    "internal_server_error": Words("The model broke down while it worked on this.", advice=AGAIN),
    "generation_timeout": Words("The model did not finish within its own time limit.", advice="Send it again, or ask for less: shorter or smaller."),
    "downstream_service_error": Words("The service behind this model refused the request.", advice="Change the input, or try another model."),
    "downstream_service_unavailable": Words("The service behind this model is out of reach.", advice="Send it again in a few minutes."),
    "content_policy_violation": Words(
        "The content check refused {it}.",
        advice="Change that and send it again.",
        it="this request; it does not say whether for its words or its pictures",
    ),
    "no_media_generated": Words("The model made no video from this input.", advice="Change the prompt or the picture."),
    "image_too_small": Words("{it} is too small for this model.", "It needs at least {min_width} × {min_height} pixels.", "Choose a larger one.", PICTURE),
    "image_too_large": Words("{it} is too large for this model.", "It may have at most {max_width} × {max_height} pixels.", "Choose a smaller one.", PICTURE),
    "image_load_error": Words("The model could not open {it}.", advice="Save it again as JPEG or PNG and upload that.", it="the picture"),
    "file_download_error": Words("The model could not fetch {it} from fal's storage.", advice=AGAIN, it="a file"),
    "face_detection_error": Words("The model found no usable face in {it}.", advice="Choose a picture with a clear face.", it="the picture"),
    "file_too_large": Words("{it} is too large a file for this model.", "It may have at most {max_size}.", "Choose a smaller one.", FILE),
    "greater_than": Words("{it} is too small.", "It must be more than {gt}.", it=VALUE),
    "greater_than_equal": Words("{it} is too small.", "It must be at least {ge}.", it=VALUE),
    "less_than": Words("{it} is too large.", "It must be less than {lt}.", it=VALUE),
    "less_than_equal": Words("{it} is too large.", "It must be at most {le}.", it=VALUE),
    "multiple_of": Words("{it} is not a step that the model takes.", "It must be a multiple of {multiple_of}.", it=VALUE),
    "sequence_too_short": Words("{it} has too few entries.", "At least {min_length} are needed.", it="A list"),
    "sequence_too_long": Words("{it} has too many entries.", "At most {max_length} are allowed.", it="A list"),
    "one_of": Words("{it} has a value that the model does not take.", "Allowed: {expected}.", it=VALUE),
    "feature_not_supported": Words("This model cannot do that with {it}.", advice="Leave it out, or choose another model.", it="this input"),
    "invalid_archive": Words("{it} is an archive that cannot be opened.", it=FILE),
    "archive_file_count_below_minimum": Words("{it} is an archive with too few files.", "At least {min_count} are needed.", it=FILE),
    "archive_file_count_exceeds_maximum": Words("{it} is an archive with too many files.", "At most {max_count} are allowed.", it=FILE),
    "audio_duration_too_long": Words("{it} is too long.", "At most {max_duration} s are allowed.", "Cut it shorter.", SOUND),
    "audio_duration_too_short": Words("{it} is too short.", "At least {min_duration} s are needed.", "Choose a longer one.", SOUND),
    "video_duration_too_long": Words("{it} is too long.", "At most {max_duration} s are allowed.", "Cut it shorter.", CLIP),
    "video_duration_too_short": Words("{it} is too short.", "At least {min_duration} s are needed.", "Choose a longer one.", CLIP),
    "unsupported_audio_format": Words("{it} has a format that the model does not take.", "Allowed: {supported_formats}.", it=SOUND),
    "unsupported_image_format": Words("{it} has a format that the model does not take.", "Allowed: {supported_formats}.", it=PICTURE),
    "unsupported_video_format": Words("{it} has a format that the model does not take.", "Allowed: {supported_formats}.", it=CLIP),
    # pydantic's own types
    "missing": Words("{it} is missing.", advice="Fill it in and send it again."),
    "string_too_long": Words("{it} is too long.", "At most {max_length} characters are allowed.", "Shorten it.", TEXT),
    "string_too_short": Words("{it} is too short.", "At least {min_length} characters are needed.", it=TEXT),
    "literal_error": Words("{it} has a value that the model does not take.", "Allowed: {expected}.", it=VALUE),
    "enum": Words("{it} has a value that the model does not take.", "Allowed: {expected}.", it=VALUE),
    "too_short": Words("{it} has too few entries.", "At least {min_length} are needed.", it="A list"),
    "too_long": Words("{it} has too many entries.", "At most {max_length} are allowed.", it="A list"),
}  # fmt: skip
"""Types in `detail[].type`: the model looked at the input, or tried."""

REQUEST_TYPES: dict[str, Words] = {
    "request_timeout": Words("fal gave up: the request took longer than the endpoint allows.", advice=AGAIN),
    "startup_timeout": Words("fal gave up: the model did not start in time.", advice="Send it again in a few minutes."),
    "runner_scheduling_failure": Words("fal found no machine for this job.", advice="Send it again in a few minutes."),
    "runner_connection_timeout": Words("fal's machine for this job did not answer.", advice=AGAIN),
    "runner_disconnected": Words("fal's machine for this job dropped out while it worked.", advice=AGAIN),
    "runner_connection_refused": Words("fal's machine for this job turned the work away.", advice=AGAIN),
    "runner_connection_error": Words("fal lost the connection to its machine for this job.", advice=AGAIN),
    "runner_incomplete_response": Words("fal's machine for this job sent only a part of its answer.", advice=AGAIN),
    "runner_server_error": Words("fal's machine for this job broke down.", advice=AGAIN),
    "client_disconnected": Words("fal counts this job as given up by us.", advice=AGAIN),
    "client_cancelled": Words("The job was cancelled at fal."),
    "bad_request": Words("fal could not read the request.", advice="Look at what fal said below, and change the input."),
    "internal_error": Words("fal had a fault of its own.", advice=AGAIN),
}  # fmt: skip
"""Types in `error_type` and `X-Fal-Error-Type`: the way to the model failed."""

OLD_NAMES: dict[str, tuple[str, str]] = {
    "value_error.missing": ("missing", ""),
    "value_error.any_str.max_length": ("string_too_long", "max_length"),
    "value_error.any_str.min_length": ("string_too_short", "min_length"),
    "value_error.number.not_gt": ("greater_than", "gt"),
    "value_error.number.not_ge": ("greater_than_equal", "ge"),
    "value_error.number.not_lt": ("less_than", "lt"),
    "value_error.number.not_le": ("less_than_equal", "le"),
    "value_error.list.min_items": ("sequence_too_short", "min_length"),
    "value_error.list.max_items": ("sequence_too_long", "max_length"),
    "value_error.const": ("one_of", "expected"),
    "type_error.enum": ("one_of", "expected"),
}
"""Pydantic 1 names that some endpoints still send → today's name, and the `ctx` key that its `limit_value` stands for."""


def in_words(value: object, name: str = "") -> str:
    """A limit as people read it: bytes as MB, lists as "a, b or c", numbers without needless digits."""
    if isinstance(value, list | tuple):
        words = [in_words(part) for part in value]
        return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value / (1024 * 1024):.3g} MB" if name == "max_size" else f"{value:.10g}"
    return str(value)[:200]
