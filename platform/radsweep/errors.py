"""The one exception for what a user can put right: what is wrong, where, what to do."""


class InputError(Exception):
    """Bad input: the command line prints the message alone and exits with 2; nothing was started or written."""
