"""Which code made a table: part of its fingerprint, so that it is made again when that code has changed."""

from models.bundle.code import code_version

# They keep and show what others make: a change in them changes no row.
KEEPERS = (
    "assets.state",
    "assets.tracking",
    "assets.shown",
    "assets.resources",
    "assets.contracts",
    "serving",
    "models.cores",
    "models.mistakes",
    "models.bundle.code",
    "models.bundle.formats",
    "models.release",
)


def made_by(*modules: str) -> str:
    """The version of the code of an asset's module: of its file, of what that imports, of its statements."""
    return code_version(*modules, without=KEEPERS)
