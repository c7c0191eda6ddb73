"""Texts as the release before compared them, and its entries have them."""

import re
import unicodedata

# Invisible characters: soft hyphens, joiners, direction marks, variation selectors, fillers.
_IGNORED = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)


def casefold(text: str) -> str:
    """Return a text that is equal for texts that differ in case, width or invisible characters alone.

    Source: Unicode Standard 3.13, Default Caseless Matching; NFKC_Casefold.
    """
    if text.isascii():
        return text.lower()
    visible = unicodedata.normalize("NFKC", _IGNORED.sub("", text))
    return unicodedata.normalize("NFKC", visible.casefold())
