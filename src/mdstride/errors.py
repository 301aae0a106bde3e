"""The one exception a user is meant to read."""


class InputError(ValueError):
    """Something the user gave is wrong.

    The message is one line that names the record (file, row, key), says what is wrong with it and how to mend it.
    The command line prints it without a traceback and exits with status 1, leaving no output behind.
    """
