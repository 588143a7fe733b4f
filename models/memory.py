"""Telling that something failed for want of memory, which every library says in a way of its own."""

import traceback

from models.mistakes import UserError

SIGNS = (
    "MemoryError",  # Python's, NumPy's, Arrow's
    "Cannot allocate memory",  # the operating system
    "failed to map segment from shared object",  # a library that could not be loaded
    "can't start new thread",
    "std::bad_alloc",
    "Out of Memory Error",  # DuckDB
    "can't allocate memory",  # torch
    "Failed to allocate memory",  # onnxruntime
)
NO_MEMORY = (
    "There is not enough memory: raise the limit of this process (ulimit -v, or that of its container), or "
    "stop what else runs here."
)


def out_of_memory(error: BaseException | str) -> bool:
    """Whether an error, or its trace as text, says so of itself or of what caused it."""
    text = error if isinstance(error, str) else "".join(traceback.format_exception(error))
    return any(sign in text for sign in SIGNS)


class AddressLimitError(UserError):
    """This process may not use as many addresses as what it is to do takes."""


def check_room(needed: int) -> None:
    """Raises AddressLimitError under a limit (`ulimit -v`) of fewer bytes: libraries crash at it."""
    try:
        from resource import RLIM_INFINITY, RLIMIT_AS, getrlimit
    except ImportError:  # no such limits on this system
        return
    limit, _ = getrlimit(RLIMIT_AS)
    if limit != RLIM_INFINITY and limit < needed:
        raise AddressLimitError(
            f"This process may use {limit / 1e6:,.0f} MB of addresses (ulimit -v), and needs "
            f"{needed / 1e6:,.0f} MB, most of which are no memory: lift the limit, and bound memory by "
            "that of a container."
        )
