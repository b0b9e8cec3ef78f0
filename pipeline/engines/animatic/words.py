"""From words to a scene: what a storyboard artist reads out of a shot's card before drawing.

Pure. Words of the shot's action count more than the location's for what changes (hour, weather),
the location's more for the place; the compiled prompt decides only what neither says.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.control.request import GenerationRequest
from pipeline.storyboard.vocabulary import canonical_angle, canonical_size

Colour = tuple[float, float, float]
"""Red, green, blue, 0 to 255."""

PLACES: Mapping[str, str] = {
    "lantern": "lantern room|lamp room|lantern gallery|fresnel lens",
    "stairs": "(spiral|winding|tower) (stair(s|case|way)?|steps)|stairwell",
    "lighthouse": "lighthouse",
    "harbour": "harbou?rs?|ports?|docks?|piers?|marina|quay|wharf|jetty",
    "sea": "seas?|ocean|coast(al|line)?|beach(es)?|shores?|waves?|bay|cliffs?|surf|island|seaside",
    "snowfield": "snow ?field|glaciers?|arctic|tundra|blizzard|ski|snowy|frozen|whiteout|ice",
    "forest": "forests?|woods|woodland|jungle|grove|pines?|trees|rainforest",
    "mountains": "mountains?|peaks?|alps|alpine|summit|ridges?|valley|canyons?|hills?",
    "desert": "deserts?|dunes?|sahara|mesas?|arid|sand|salt flats?",
    "field": "fields?|meadows?|prairie|farm(land)?|grass(land)?|countryside|pasture|vineyard|stadium|track",
    "garden": "gardens?|parks?|courtyard|orchard|backyard|greenhouse|lawn|flower ?beds?",
    "river": "rivers?|streams?|lakes?|pond|waterfall|canal|creek|riverbank|wetlands?|swamp|marsh|boardwalk",
    "road": "roads?|highways?|motorway|freeway|trail|path",
    "street": (
        "streets?|alleys?|lane|sidewalk|crosswalk|bus stop|market|bazaar|plaza|square|neighbou?rhood"
        "|storefronts?|downtown"
    ),
    "city": "city|cities|skyline|skyscrapers?|rooftops?|urban|metropolis|town|bridge|terrace|runway|track",
    "space": ("outer space|space(ship|craft|walk)?|galaxy|planets?|orbital|asteroids?|moon surface|lunar|mars|nebula"),
    "kitchen": "kitchens?|bakery|stove|countertop|galley|pantry|oven",
    "cafe": ("caf[eé]s?|coffee (shop|bar|house)|espresso|restaurant|bar|diner|bistro|pub|roastery|tasting room"),
    "studio": "studios?|atelier|easel|workshop|workbench|soundstage|film set|loft|garage|darkroom",
    "stage": "stages?|theat(er|re)s?|concert|auditorium|opera|podium|catwalk|runway|jazz club|club",
    "library": ("librar(y|ies)|bookshel(f|ves)|bookstore|archives?|study|offices?|desk|classroom|laborator(y|ies)|lab"),
    "hall": (
        "hall(way)?|corridors?|museum|chapel|airport|terminal|atrium|galler(y|ies)|church|cathedral|temple|station|subway|lobby|gym|palace|warehouse"
    ),
    "room": ("rooms?|bedroom|living room|apartment|lodge|house|interior|indoors?|hotel|cabin|attic|bathroom|inside"),
}
INTERIORS = frozenset({"kitchen", "cafe", "studio", "stage", "library", "hall", "room", "lantern", "stairs"})
WATERS = frozenset({"lighthouse", "harbour", "sea", "river"})

HOURS: Mapping[str, str] = {
    "dawn": "dawn|sunrise|daybreak|early morning|first light|morning mist",
    "sunset": "sunset|golden hour|evening sun|setting sun|late afternoon|low sun|amber light",
    "dusk": "dusk|twilight|blue hour|evening|nightfall|gloaming",
    "night": "nights?|night ?time|midnight|moon(light|lit)?|starry|stars|neon|after dark|nocturnal|candlelit",
    "day": "noon|midday|daylight|day(time)?|sunny|bright sun|blazing sun|afternoon|morning",
}
WEATHERS: Mapping[str, str] = {
    "storm": "storms?|stormy|thunder(storm)?|lightning|gale|tempest|hurricane|squalls?",
    "snow": "snow(s|ing|fall|flakes?|storm|y)?|blizzard|flurries|whiteout",
    "rain": "rain(s|ing|y|drops?|-soaked)?|drizzle|downpour|monsoon|wet asphalt",
    "fog": "fog(gy)?|mist(y)?|haz[ey]|smog",
    "cloud": "cloud(s|y)?|overcast|gr[ea]y sky",
    "clear": "clear sky|cloudless|blue sky|sunny|clear",
}
PROPS: Mapping[str, str] = {
    "lighthouse": "lighthouse",
    "boat": "boats?|ships?|sail(boat)?s?|yacht|vessel|trawler",
    "easel": "easel|canvas",
    "tree": "trees?|oak|palm|olive|blossoms?|sakura",
    "house": "house|cottage|cabin|hut|barn|farmhouse|home",
    "car": "cars?|taxi|truck|van|traffic",
    "fire": "fire(place|light)?|campfire|bonfire|hearth|flames?",
    "lantern": "lanterns?|candles?|lamps?|street ?lights?|neon",
    "window": "windows?",
    "piano": "piano",
    "bird": "birds?|gulls?|seagulls?|crows?",
    "table": "tables?|counter|desk|bench",
    "people": "crowd|audience|spectators|people|passersby|customers",
}

_SETTING = 3.0  # weight of a location's own words for the place
_ROOMS_OF_A_TOWER = frozenset({"room", "hall"})
_OPEN_WATER = (
    "open (sea|ocean|water)|at sea|high seas|mid ocean"
    "|(in|aboard|rows?|sails?|rowing|sailing) (a|the|his|her|their)( \\w+)? boat"
)
_NEGATION = r"(?:no|without|never|not|isn't|avoid|after (?:the|a))\s+(?:\w+\s+){0,2}?"
# Words for things, not for places.
_COMPOUNDS = re.compile(
    r"\b(field|track|rain|snow|city|garden|stage|studio|street|sand|ice|sea|forest|ocean|river|mountain|desert"
    r"|office|bar|coffee)[ -]"
    r"(jacket|coat|boots?|shirt|scarf|gloves?|style|wear|green|blue|grey|gray|white|colou?red|left|right|name"
    r"|headphones|light quality|of|bean|beans|cup|suit|pants|shoes)\b"
)


@dataclass(frozen=True, slots=True)
class Scene:
    """What is to be drawn behind and around the figures.

    Attributes:
        place: A key of ``PLACES``.
        hour: A key of ``HOURS``.
        weather: A key of ``WEATHERS``.
        props: Keys of ``PROPS`` that the words name.
        palette: Main colours, most important first; may be empty.
        geometry: Seed of the place's shapes: the same setting and look give the same place.
        size: Canonical shot size.
        angle: Canonical angle.
        afloat: Whether figures are on open water, so that they need a boat.
    """

    place: str
    hour: str
    weather: str
    props: frozenset[str]
    palette: tuple[Colour, ...]
    geometry: int
    size: str
    angle: str
    afloat: bool = False

    @property
    def interior(self) -> bool:
        """Whether it is a room."""
        return self.place in INTERIORS

    @property
    def dark(self) -> bool:
        """Whether it is night, or nearly."""
        return self.hour in {"night", "dusk"}


def rgb(code: str) -> Colour:
    """Return ``#rrggbb`` as numbers."""
    value = int(code.lstrip("#"), 16)
    return (float(value >> 16), float(value >> 8 & 255), float(value & 255))


def scene_of(request: GenerationRequest) -> Scene:
    """Return the scene that a request describes."""
    setting, action, prompt = (_plain(text) for text in (request.setting, request.action, request.prompt))
    within = setting[: _head(setting)]
    indoors = _hit("interior|indoors?", within) and not _hit("outdoors?", within)
    places = {name: words for name, words in PLACES.items() if name in INTERIORS} if indoors else PLACES
    place = _best(places, ((setting, _SETTING), (action, 2.0)), ((prompt, 1.0),)) or "field"
    if place == "lantern" or (place in _ROOMS_OF_A_TOWER and _hit(PLACES["lighthouse"], setting)):
        place = (
            "stairs" if _hit("climbs?|climbing|steps|stairs?|ascends?", f"{action} {_acted(request)}") else "lantern"
        )
    if place in {"sea", "harbour"} and _hit(PLACES["lighthouse"], f"{setting} {action}"):
        place = "lighthouse"
    hour = _best(HOURS, ((action, 3.0), (setting, 2.0)), ((prompt, 1.0),)) or "day"
    sky = _plain(f"{request.ambience} {request.sound}")
    weather = _best(WEATHERS, ((action, 3.0), (setting, 2.0)), ((prompt, 1.0), (sky, 0.5)))
    if weather is None or (place == "snowfield" and weather == "clear"):
        weather = "snow" if place == "snowfield" else "cloud" if hour == "day" else "clear"
    everything = f"{setting} {action}"
    key = f"{request.setting.strip().lower() or place}\n{request.look.strip().lower()}"
    return Scene(
        place=place,
        hour=hour,
        weather=weather,
        props=frozenset(name for name, words in PROPS.items() if _hit(words, everything)),
        palette=tuple(rgb(code) for code in request.palette[:6]),
        geometry=number_of(key),
        size=canonical_size(request.camera.size) or "medium",
        angle=canonical_angle(request.camera.angle) or "eye-level",
        afloat=place == "sea" and _hit(_OPEN_WATER, everything),
    )


def _acted(request: GenerationRequest) -> str:
    return _plain(" ".join(figure.action for figure in request.figures))


def _head(text: str) -> int:
    """Return where the noun that a description begins with ends: "a round room | at the top of a tower"."""
    start = match.end() if (match := re.match(r"(?:interior|indoors|inside|int\.?|exterior|ext\.?)\W+", text)) else 0
    end = re.search(
        r"[,.;:]|\b(?:at|in|on|of|with|near|by|over|above|under|beside|behind|inside|where|during)\b", text[start:]
    )
    return start + end.start() if end else len(text)


def number_of(text: str) -> int:
    """Return a stable 32-bit number of a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def says(pattern: str, *texts: str) -> bool:
    """Return whether any of the texts has a word of the pattern, and does not deny it."""
    return any(_hit(pattern, _plain(text)) for text in texts)


def _plain(text: str) -> str:
    return _COMPOUNDS.sub(" ", text.lower().replace("-", " ").replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))


def _hits(pattern: str, text: str) -> list[re.Match[str]]:
    found = re.finditer(rf"(?P<denied>\b{_NEGATION})?\b(?:{pattern})\b", text)
    return [match for match in found if match["denied"] is None]


def _hit(pattern: str, text: str) -> bool:
    return bool(_hits(pattern, text))


def _best(
    table: Mapping[str, str],
    weighted: tuple[tuple[str, float], ...],
    fallback: tuple[tuple[str, float], ...],
) -> str | None:
    """Return the entry with most weight; earlier mentions and longer words count a little more."""
    bonus = dict.fromkeys(INTERIORS, 1.5) | {"street": 1.4, "lighthouse": 1.4, "room": 0.7}
    for texts in (weighted, fallback):
        scores: dict[str, float] = {}
        for text, weight in texts:
            head = _head(text) if weight == _SETTING else 0
            for name, pattern in table.items():
                for match in _hits(pattern, text):
                    early = 0.5 * (1 - match.start() / max(1, len(text))) + (1.6 if match.end() <= head else 0.0)
                    scores[name] = scores.get(name, 0.0) + weight * (
                        bonus.get(name, 1.0) * (0.6 + early) + 0.03 * len(match[0])
                    )
        if scores:
            return max(scores, key=lambda name: scores[name])
    return None
