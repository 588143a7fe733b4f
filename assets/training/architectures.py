"""Which code makes the bundle of an architecture, whatever it is."""

from functools import cache

from assets.training import blending
from assets.training.staging import staged_code
from models.stages.names import STAGED


@cache
def code_of(architecture: str) -> str:
    """The version of the code that makes a bundle of this architecture."""
    return staged_code() if architecture in STAGED else blending.code_of(architecture)
