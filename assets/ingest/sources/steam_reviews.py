"""The public Steam reviews of McAuley's lab, which are dated; titles come from the catalogue of the store."""

from assets.formats.rows import RowReader
from assets.formats.steam_reviews import read_chunk, read_reviews
from assets.ingest.published import Published
from assets.ingest.raw_file import RawFile, Request
from assets.ingest.source import DataSource
from assets.ingest.sources import steam

REVIEWS = Published(
    role="reviews",
    address=steam.ADDRESS + "steam_reviews.json.gz",
    variable="NEXTPLAY_STEAM_REVIEWS",
    given=lambda source: source.reviews,
    folder=steam.FOLDER,
)


def files(request: Request) -> list[RawFile]:
    """The reviews and the games, or what replaces a file of them."""
    return [REVIEWS.fetch(request), steam.GAMES.fetch(request)]


def state(request: Request) -> object:
    return [REVIEWS.state(request), steam.GAMES.state(request)]


SOURCE = DataSource(files, state, plays={"reviews": RowReader(read_reviews, read_chunk)})
