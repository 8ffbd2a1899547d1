"""The one exception that is meant for the person at the keyboard."""


class UserError(Exception):
    """Something the user must act on: says which setting or file, what was found and what to do.

    The command line prints it as one message without a traceback and exits with 1.
    """
