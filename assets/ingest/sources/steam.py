"""The public Steam data of McAuley's lab: libraries, and the catalogue of the store."""

from assets.ingest.published import Published
from assets.ingest.raw_file import RawFile, Request
from assets.ingest.source import DataSource

ADDRESS = "https://mcauleylab.ucsd.edu/public_datasets/data/steam/"
FOLDER = "steam"
LIBRARIES = Published(
    role="libraries",
    address=ADDRESS + "australian_users_items.json.gz",
    variable="NEXTPLAY_STEAM_LIBRARIES",
    given=lambda source: source.libraries,
    folder=FOLDER,
    sha256="0b329f79ddf450aba0aad923c8cb6d1affac0c98efaf70242d22fd10987a8d99",  # of 2018
)
GAMES = Published(
    role="games",
    address=ADDRESS + "steam_games.json.gz",
    variable="NEXTPLAY_STEAM_GAMES",
    given=lambda source: source.games,
    folder=FOLDER,
)


def files(request: Request) -> list[RawFile]:
    """The libraries and the games, or what replaces a file of them."""
    return [LIBRARIES.fetch(request), GAMES.fetch(request)]


def state(request: Request) -> object:
    return [LIBRARIES.state(request), GAMES.state(request)]


SOURCE = DataSource(files, state)
