"""What a shot's description in prose says about place, people and colours. Pure.

Made for boards that were written as sentences ("Low-angle wide shot, 24mm lens, slow push-in. The chef
..."). It reads what is plainly said and guesses nothing: what isn't found stays unsaid.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

_SENTENCE_END = re.compile(r"(?<=[.!?])(?<!Dr\.)(?<!Mr\.)(?<!Mrs\.)(?<!Ms\.)\s+(?=[A-Z\"“])")


def sentences(text: str) -> list[str]:
    """Return a text's sentences."""
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]


def first_action(text: str) -> str:
    """Return the first sentence that tells what happens and not how it is filmed, at most 300 characters."""
    for index, sentence in enumerate(sentences(text)):
        if index and not sentence.lower().startswith(("camera", "the camera")):
            return sentence if len(sentence) <= 300 else sentence[:297].rsplit(" ", 1)[0] + "..."
    return ""


# --- people -----------------------------------------------------------------------------------------

_PERSON = re.compile(r"\b\d{2}[ -]years?[ -]old\b", re.IGNORECASE)
_POSTURE = re.compile(
    r",?\s+(?:is seated|is standing|sits|stands|kneels|faces|leans|walks|waits|crouches|holds|is centered)\b.*",
    re.DOTALL,
)
_LOOKS = re.compile(
    r"\b(?:s?he|they) (?:also )?(?:wears?|has|have)\b|\bwears\b|\boutfit\b.*\bin every shot\b", re.IGNORECASE
)
_NAME = re.compile(
    r"^(?!(?:The|He|She|They|An?|As|His|Her|Their|It|Camera|When|While|With|In|On|At|From|After|Before|Then|Each"
    r"|Rain|Wind|Snow|Steam|Light|Close|Wide|Medium|Low|High|Overhead|Eye|Soft|Warm|Slow|Static|Side|Rear|Over)\b)"
    r"((?:Dr\.\s)?[A-Z][a-z]+(?:\s[A-Z][a-z]+)?)\s+[a-z]"
)


def person_in(text: str) -> str:
    """Return what an opening picture says about the looks of a person with an age, or nothing."""
    found: list[str] = []
    for sentence in sentences(text):
        age = _PERSON.search(sentence)
        if age and not found:
            start = max(sentence.rfind(" a ", 0, age.start()), sentence.rfind(" an ", 0, age.start()))
            begin = start + 1 if start >= 0 else 0
            found.append(_POSTURE.sub("", sentence[begin:]).rstrip(" .;:,"))
        elif found and _LOOKS.search(sentence):
            found.append(sentence.rstrip(" .;:,"))
    return ". ".join(part[:1].upper() + part[1:] for part in found) + "." if found else ""


def recurring_name(texts: Sequence[str]) -> str:
    """Return the name that sentences begin with in at least half of the texts, or nothing."""
    counted: Counter[str] = Counter()
    for text in texts:
        names = {match[1] for sentence in sentences(text) if (match := _NAME.match(sentence))}
        counted.update(names)
    best = counted.most_common(1)
    return best[0][0] if best and best[0][1] * 2 >= len(texts) else ""


# --- places -----------------------------------------------------------------------------------------

_PLACE = (
    r"alley|alleyway|allotment|amphitheater|apartment|atrium|auditorium|avenue|bar|beach|"
    r"boardwalk|bridge|bus[ -]stop|cabin|cafe|canyon|chapel|city|cliff|coast|coastline|"
    r"corridor|courtyard|desert|diner|dunes|entrance|entryway|field|footbridge|forest|gallery|"
    r"garden|gorge|greenhouse|gym|hall|hillside|house|interior|intersection|kitchen|lab|"
    r"laboratory|lake|library|lobby|lodge|lookout|market|marketplace|meadow|mountain|nook|"
    r"oasis|office|orchard|overlook|park(?! bench)|patch|path|pavilion|pier|plain|plateau|platform|"
    r"plaza|plot|rainforest|restaurant|ridge|ridgeline|river|rooftop|room|runway|salt[ -]flat|"
    r"shop|shore|shoreline|square|stage|staircase|stall|station|street|studio|summit|terminal|"
    r"terrace|theater|theatre|tidepool|track|trail|trailer|tunnel|venue|village|walkway|"
    r"warehouse|wetland|yard"
)
_LEAD_IN = re.compile(
    r"^(?:Hard cut to|Abrupt environmental shift:|Extreme environment shift:|Environment shift:|New setting:|"
    r"Back (?:in|at|to)|Interior(?: of)?,?|Exterior(?: of)?,?)\s*(?:an?\s|the\s)?",
    re.IGNORECASE,
)
_NEW_SETTING = re.compile(r"^.*?\b(?:New setting|Setting|Location):\s*(?:an?\s|the\s)?", re.IGNORECASE)
_WHERE = re.compile(
    r"\b(?:in|inside|on|at|into|of|to|across|along|atop|under|near|through)\s+(?:an?|the)\s+"
    rf"(?=[^.;:]*\b(?:{_PLACE})s?\b)",
    re.IGNORECASE,
)
_NOUN_PHRASE = re.compile(
    r"^(?P<name>(?:[\w'\N{RIGHT SINGLE QUOTATION MARK}-]+,?\s+){0,6}?"
    rf"(?:{_PLACE})s?(?:\s+(?:{_PLACE})s?)*)\b",
    re.IGNORECASE,
)
_WITHOUT_PARENTHESES = re.compile(r"\s*\([^)]*\)")
_PEOPLE = re.compile(
    r"\b(?:s?he|his|her|him|the same|same|years?[ -]old|wears?|character|identical|unchanged)\b", re.IGNORECASE
)
# Words before the noun that say when it is, or whose it is, but not what it is.
_SMALL_WORDS = re.compile(
    r"an?|the|of|at|in|on|and|with|under|by|near|same|original|early|late|back|her|his|spring|summer|autumn|winter"
    r"|morning|midday|noon|afternoon|evening|night|nighttime|daytime|dusk|dawn|sunrise|sunset|golden|hour|bright",
    re.IGNORECASE,
)
_FRAMING = re.compile(r"\b(?:shot|view|profile|close[ -]?up|framing|angle|portrait|frontal)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    """A place that an opening picture is set in.

    Attributes:
        name: A few words, such as ``quiet museum gallery``.
        description: What is said about it, people left out.
    """

    name: str
    description: str


def place_in(text: str) -> Place | None:
    """Return the place that an opening picture is set in, ``None`` if it isn't said."""
    parts = [_WITHOUT_PARENTHESES.sub("", part) for part in sentences(text)]
    for index, part in enumerate(parts[:4]):
        phrase = _place_phrase(part)
        if phrase is None:
            continue
        name = _NOUN_PHRASE.match(phrase)
        if name is None:
            continue
        words = [word.strip(",") for word in name["name"].split()]
        kept = [word for word in words if not _SMALL_WORDS.fullmatch(word)][-4:]
        rest = [other for other in parts[index + 1 :] if not _PEOPLE.search(other)]
        description = " ".join([phrase[:1].upper() + phrase[1:], *rest])
        return Place(" ".join(kept).lower(), description)
    return None


def _place_phrase(sentence: str) -> str | None:
    """Return the part of a sentence that begins with the name of a place."""
    for lead in (_NEW_SETTING, _LEAD_IN):
        stripped = lead.sub("", sentence, count=1)
        if stripped != sentence and _NOUN_PHRASE.match(stripped):
            return stripped
    named = _NOUN_PHRASE.match(sentence)
    if named and not _FRAMING.search(named[0]) and not _PEOPLE.search(sentence.partition(",")[0]):
        return sentence
    phrases = (sentence[where.end() :] for where in _WHERE.finditer(sentence))
    return next((phrase for phrase in phrases if _NOUN_PHRASE.match(phrase)), None)


# --- colours ----------------------------------------------------------------------------------------

COLOURS = MappingProxyType(
    {
        "amber": "#d9902f",
        "beige": "#d8c6a5",
        "black": "#1b1b1d",
        "blue": "#35609a",
        "bronze": "#8c6239",
        "brown": "#6f4a32",
        "burgundy": "#6b1f32",
        "charcoal": "#36393d",
        "copper": "#b46a3c",
        "coral": "#ef7a5f",
        "cream": "#f2e8d2",
        "crimson": "#a51d32",
        "cyan": "#3fb8c9",
        "gold": "#d3a33c",
        "golden": "#d9a84a",
        "gray": "#85898d",
        "green": "#3f7d4e",
        "grey": "#85898d",
        "indigo": "#2f3560",
        "ivory": "#f3eddc",
        "khaki": "#b5a67d",
        "lime": "#9ccb3b",
        "magenta": "#c13c8e",
        "maroon": "#6a2330",
        "mustard": "#d0a02c",
        "navy": "#1f2e4f",
        "olive": "#75743d",
        "orange": "#e0772b",
        "pink": "#e49ab0",
        "purple": "#6c4a8c",
        "red": "#b4332f",
        "rust": "#a4512c",
        "sage": "#93a583",
        "silver": "#bdc2c7",
        "slate": "#56626d",
        "tan": "#c49a6c",
        "teal": "#1f7a7a",
        "terracotta": "#bd6546",
        "turquoise": "#3bb3ac",
        "violet": "#77509a",
        "white": "#f4f4f1",
        "yellow": "#e3c044",
        "forest-green": "#2b5a3a",
        "sage-green": "#8fa382",
        "dark indigo": "#252a4d",
        "light gray": "#c3c6c9",
        "charcoal gray": "#3d4145",
        "pale blue": "#a9c4dc",
        "navy blue": "#1f2e4f",
        "mustard-yellow": "#d3a32b",
        "lime-green": "#93c83e",
        "warm brown": "#7a4b30",
    }
)
_NAMES = "|".join(name.replace("-", "[ -]") for name in sorted(COLOURS, key=len, reverse=True))
_COLOUR = re.compile(rf"\b(?:{_NAMES})\b", re.IGNORECASE)
_BODY = re.compile(r"\s*(?:skin|eyes|hair|eyebrow|eyed)", re.IGNORECASE)


def colours_in(text: str, most: int = 5) -> tuple[str, ...]:
    """Return the colours that a description names, clothes before skin, hair and eyes.

    Returns:
        Up to ``most`` different colours as ``#rrggbb``, in the order of the text.
    """
    worn: dict[str, None] = {}
    body: dict[str, None] = {}
    for match in _COLOUR.finditer(text):
        name = match[0].lower()
        colour = COLOURS.get(name) or COLOURS.get(name.replace(" ", "-")) or COLOURS[name.replace("-", " ")]
        (body if _BODY.match(text, match.end()) else worn)[colour] = None
    return tuple(dict.fromkeys([*worn, *body]))[:most]
