"""The one exception that a user's mistake raises."""


class InputError(ValueError):
    """Something the user gave is wrong.

    The message is one line for a person: what was wrong, the value, where, what is allowed. The
    command line prints it without a traceback and ends with status 2.
    """
