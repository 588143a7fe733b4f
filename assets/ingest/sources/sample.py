"""The built-in sample: invented libraries in the format of the Steam data."""

from assets.ingest.generated import Generated, optimum
from assets.ingest.source import DataSource
from assets.sample.libraries import GAMES_FILE, LIBRARIES_FILE, write_sample

SAMPLE = Generated("sample", write_sample, {"libraries": LIBRARIES_FILE, "games": GAMES_FILE})
SOURCE = DataSource(files=SAMPLE.fetch, state=SAMPLE.state, optimum=optimum)
