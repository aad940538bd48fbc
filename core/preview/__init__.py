"""The embedded engine: a camera move over a still, or a splice of clips, rendered on this computer."""

LABEL = "Local preview: camera move over your still, rendered on this computer. Not the AI model."
"""Stands on every card, player and MP4 of a camera job; the same sentence everywhere."""

SPLICE_LABEL = "Spliced on this computer."
"""The same for a splice."""
