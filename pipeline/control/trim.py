"""Shortening a text at the end of a sentence, or failing that of a word."""

from __future__ import annotations

import re
from typing import Final

_SENTENCE_END: Final = re.compile(r"[.!?…][\"')\]]*(?=\s|$)")


def trimmed(text: str, limit: int) -> str:
    """Return the longest beginning of a text within a limit that ends with a sentence.

    If the first sentence alone is too long (or ends before a quarter of the limit), the text ends
    with a word; if the first word is too long, within it.

    Args:
        text: The text.
        limit: Most characters, at least 1.
    """
    if len(text) <= limit:
        return text
    ends = [match.end() for match in _SENTENCE_END.finditer(text, 0, limit + 1) if match.end() <= limit]
    if ends and ends[-1] * 4 >= limit:
        return text[: ends[-1]]
    if text[limit].isspace():
        return text[:limit].rstrip()
    space = text.rfind(" ", 0, limit)
    return text[:space].rstrip() if space > 0 else text[:limit]
