"""Ids of users and items: what the tables keep and the endpoint takes alike."""

MAX_ID = 200  # characters
WITHOUT_NUL = "^[^\\x00]*$"  # Postgres keeps no text with it

# White space of every kind, and the signs without width that copying leaves: none of it is part of an id.
BLANKS = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000\u200b\u200e\u200f\u2060\ufeff"
)


def trimmed(text: str) -> str:
    """A text without blanks around it."""
    return text.strip(BLANKS)
