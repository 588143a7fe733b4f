"""The column `timestamp`: whole numbers, in a unit that is told from their size."""

MICROSECONDS = 10**6  # a second: what dates become
UNITS_A_SECOND = (1, 10**3, MICROSECONDS)


def units_a_second(newest: int) -> int | None:
    """The unit of whole numbers that are times since 1970, told from the size of the newest.

    Seconds, milliseconds and microseconds of a time between 1973 and 2286; None for other numbers.
    """
    return next((unit for unit in UNITS_A_SECOND if 10**8 <= newest / unit < 10**10), None)
