"""Invented games for the sample: titles, genres and tags, one theme for each group of games."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Theme:
    """What the games of a group have in common."""

    genres: tuple[str, ...]
    tags: tuple[str, ...]
    openers: tuple[str, ...]
    things: tuple[str, ...]


def _theme(genres: str, tags: str, openers: str, things: str) -> Theme:
    return Theme(*(tuple(words.split(", ")) for words in (genres, tags, openers, things)))


THEMES = (
    _theme(
        "Casual, Simulation",
        "Farming Sim, Relaxing, Cute",
        "Turnip, Clover, Dewdrop, Sunday, Marrow, Bramble, Second Spring, Plum",
        "Acres, Valley, Harvest, Homestead, Orchard, Almanac, Weather, Hollow",
    ),
    _theme(
        "Simulation, Strategy",
        "Space, Trading, Sandbox",
        "Outer, Tin, Quiet, Ninth, Copper, Far, Cold, Cargo",
        "Orbit, Meridian, Freight, Ledger, Perihelion, Lagrange, Horizon, Armada",
    ),
    _theme(
        "Indie, Strategy",
        "Card Game, Rogue-like, Turn-Based",
        "Paper, Gilded, Marked, Hollow, Crooked, Ninefold, Borrowed, Wax",
        "Hand, Tarot, Wager, Suit, Spire, Dealer, Gambit, Joker",
    ),
    _theme(
        "Action, Indie",
        "Platformer, Pixel Graphics, Difficult",
        "Rocket, Pocket, Spring, Tiny, Moss, Bouncy, Mister, Super",
        "Hopper, Salamander, Sprout, Boots, Beetle, Ascent, Thimble, Comet",
    ),
    _theme(
        "RPG",
        "Fantasy, Open World, Story Rich",
        "Ashen, Elder, Winter, Hollow, Ember, Silver, Forgotten, Raven",
        "Chronicle, Throne, Oath, Covenant, Marches, Saga, Pilgrim, Crown",
    ),
    _theme(
        "Action",
        "FPS, Multiplayer, Competitive",
        "Iron, Zero, Vector, Last, Burnt, Delta, Static, Hard",
        "Protocol, Platoon, Contact, Salvo, Cordon, Perimeter, Recoil, Breach",
    ),
    _theme(
        "Strategy",
        "Grand Strategy, Historical, Political",
        "Salt, Amber, Divided, Northern, Gilt, Merchant, Iron, Borrowed",
        "Republics, Dynasties, Treaties, Hegemony, Cabinet, Empires, Succession, Tribute",
    ),
    _theme(
        "Adventure, Indie",
        "Walking Simulator, Atmospheric, Story Rich",
        "Letters from, Leaving, Return to, The Last Days of, Postcards from, Under, Remember, Beyond",
        "Saltmarsh, Aunt Odile, the Lighthouse, Kestrel Bay, Room Nine, Winterhaven, the Estuary, Halden",
    ),
    _theme(
        "Racing, Sports",
        "Driving, Arcade, Split Screen",
        "Gravel, Midnight, Turbo, Redline, Coastal, Apex, Mud, Neon",
        "Rally, Circuit, Sprint, Kart, Hairpin, Grand Prix, Drift, Express",
    ),
    _theme(
        "Indie, Simulation",
        "Base Building, Automation, Crafting",
        "Conveyor, Belt, Assembly, Cog, Modular, Steam, Bolt, Throughput",
        "Works, Foundry, Line, Industries, Planet, Tangle, Machine, Yard",
    ),
    _theme(
        "Adventure, Casual",
        "Hidden Object, Mystery, Detective",
        "Inspector Quill, Madame Orsolya, Miss Fennimore, Doctor Vane, Judge Pell, Agent Lark, Old Tobias, "
        "Sister Agnes",
        "and the Missing Clock, Investigates, and the Velvet Room, at Midnight, and the Crimson Tide, "
        "Remembers, and the Ninth Guest, in Vienna",
    ),
    _theme(
        "Action, Adventure",
        "Survival, Zombies, Crafting",
        "Dead, Feral, Rotten, Hungry, Stranded, Overgrown, Empty, Frozen",
        "Harbor, Mile, Season, Mall, Suburb, Signal, Winter, Colony",
    ),
    _theme(
        "Indie",
        "Puzzle, Minimalist, Logic",
        "Fold, Prism, Slide, Mirror, Even, Loop, Lumen, Parallel",
        "Theorem, Garden, Shift, Lines, Squared, Axis, Cube, Proof",
    ),
    _theme(
        "Strategy, Indie",
        "Tower Defense, Cartoon, Cute",
        "Goblin, Teapot, Castle, Mushroom, Bee, Goose, Cabbage, Penguin",
        "Siege, Defenders, Rampart, Uprising, Outpost, Panic, Invasion, Brigade",
    ),
    _theme(
        "Action, RPG",
        "Souls-like, Dark Fantasy, Difficult",
        "Pale, Blighted, Sunken, Votive, Sallow, Grave, Thorned, Ruined",
        "Vigil, Cathedral, Penitent, Reliquary, Hymn, Crypt, Sovereign, Liturgy",
    ),
    _theme(
        "Simulation",
        "Management, Building, Economy",
        "Grand, Little, Sunny, Rusty, Royal, Plaza, Budget, Moonlight",
        "Hospital, Aquarium, Metro, Airport, Bakery, Zoo, Hotel, Ferry Company",
    ),
    _theme(
        "Adventure, Indie",
        "Horror, Psychological Horror, First-Person",
        "Whisper, The Wrong, Basement, Nocturne, Grandmother, Unlit, Attic, Sleepless",
        "Corridor, Ward, Stairs, Lullaby, Visitor, Static, House, Asylum",
    ),
    _theme(
        "Free to Play, Action",
        "MOBA, Team-Based, eSports",
        "Rift, Clash of, Legends of, Arena, Sworn, Fury of, Heroes of, Banner",
        "Titans, Sigil, Dominion, Vanguard, Aether, Champions, Valor, Onyx",
    ),
    _theme(
        "Indie, RPG",
        "JRPG, Anime, Party-Based",
        "Starlit, Crystal, Azure, Maiden of, Tale of, Eternal, Cloud, Sakura",
        "Requiem, Memoria, Etude, Alchemist, Wanderers, Fantasia, Arcadia, Promise",
    ),
    _theme(
        "Sports",
        "Football, Management, Realistic",
        "Sunday League, Pro, Total, Penalty, Street, Champion, Backyard, Golden Boot",
        "Manager, Eleven, Striker, Keeper, Cup, Season, Tactics, Dribble",
    ),
    _theme(
        "Action, Indie",
        "Shoot 'Em Up, Bullet Hell, Retro",
        "Photon, Hyper, Turbulent, Crimson, Laser, Hex, Void, Astro",
        "Barrage, Swarm, Valkyrie, Blaster, Manta, Nova, Squadron, Overdrive",
    ),
    _theme(
        "Massively Multiplayer, RPG",
        "MMORPG, Open World, PvP",
        "Realms of, World of, Shores of, Guilds of, Rise of, Echoes of, Winds of, Gates of",
        "Ardenfall, Mirewood, Tyrrhen, Oskara, the Sundering, Velmoor, Kharos, Ilvania",
    ),
    _theme(
        "Casual, Indie",
        "Visual Novel, Romance, Comedy",
        "My Neighbor, Dating, Love at, Dear, A Date with, Goodbye, Hello, Coffee with",
        "the Pigeon, Professor Moss, the Kraken, Mothman, Table Four, the Night Bus, Your Houseplant, "
        "the Tax Office",
    ),
    _theme(
        "Strategy",
        "RTS, World War II, Tactical",
        "Steel, Front, Bridge, Armored, Winter, Desert, Supply, Broken",
        "Offensive, Division, Bridgehead, Thunder, Command, Brigade, Salient, Assault",
    ),
)

# Quotes of either kind and of both, backslashes, letters beyond ASCII: what a reader of files stumbles over.
ODD_TITLES = (
    "Grandma's Last Spreadsheet",
    'Nobody\'s "Perfect" Heist',
    'The "Honest" Merchant',
    "C:\\Dungeon\\Boss.exe",
    "Café Minuit",
    "Ragnarök & Roll",
    "霧の灯台",
    "Don't Feed the Dragon",
    "Dr. Möbius's Escape\\Room",
    'Llama "Drama" Simulator',
    "Żubr: Legenda Puszczy",
    "Captain O'Malley's \"Unsinkable\" Ferry",
    "Kettlebound™",
    "Тихая станция",
    "It's Only Mostly Haunted",
    "Señor Cactus",
    '"Quotation Marks": The Game',
    "Who's Afraid of the Big Bad WLAN?",
    "L'Étoile du Nord",
    "//comments\\\\only",
)

SUBTITLES = (
    "Origins",
    "Anniversary Edition",
    "Director's Cut",
    "Unbound",
    "The Long Night",
    "Deluxe",
    "Homecoming",
    "Reloaded",
    "Episode One",
    "Aftermath",
)
SUBTITLE_SHARE = 0.15  # of the titles
ODD_SHARE = 0.25  # of the games at most


def draw_titles(rng: np.random.Generator, groups: NDArray[np.int64]) -> list[str]:
    """A title a game, after the theme of its group [n]; no title comes twice."""
    titles: list[str] = []
    taken = set(ODD_TITLES)
    for group in groups:
        title = _title(rng, theme_of(int(group)))
        part = 1  # a title that comes again is a sequel
        while (name := title if part == 1 else f"{title} {part}") in taken:
            part += 1
        taken.add(name)
        titles.append(name)
    places = rng.permutation(len(titles))[: int(ODD_SHARE * len(titles))]
    for place, title in zip(places, ODD_TITLES, strict=False):
        titles[place] = title
    return titles


def theme_of(group: int) -> Theme:
    return THEMES[group % len(THEMES)]


def pick(rng: np.random.Generator, words: Sequence[str]) -> str:
    return words[int(rng.integers(len(words)))]


def _title(rng: np.random.Generator, theme: Theme) -> str:
    title = f"{pick(rng, theme.openers)} {pick(rng, theme.things)}"
    return f"{title}: {pick(rng, SUBTITLES)}" if rng.random() < SUBTITLE_SHARE else title
