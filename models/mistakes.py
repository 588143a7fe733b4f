"""What tells a user's mistake from a bug."""


class UserError(Exception):
    """A mistake that its reader can mend: the message is one sentence that says what, where, and what to do.

    Programs print the sentence alone. Any other exception is a bug, and gets a stack trace.
    """
