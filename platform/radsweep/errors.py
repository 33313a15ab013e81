"""Exceptions for mistakes that a user can correct. They name the file, the key, what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class InputError(Exception):
    """Mistake in the input. The command line prints it and exits with 2; nothing was started or written.

    Attributes:
        message: what is wrong, then what to do.
        key: the wrong key of the experiment file, such as `data.pairs`, or an option; empty if neither is wrong.
        file: the file that has the key; empty if the settings came from no file, or until `explaining` adds it.
    """

    def __init__(self, message: str, *, key: str = "", file: str = "") -> None:
        super().__init__(message)
        self.message, self.key, self.file = message, key, file

    @property
    def errors(self) -> tuple[InputError, ...]:
        """The mistakes one by one; see `InputErrors`."""
        return (self,)

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.key, self.message) if part)


class InputErrors(InputError):
    """Several mistakes that were found together, printed one per line."""

    def __init__(self, errors: Iterable[InputError]) -> None:
        self._errors = tuple(errors)
        super().__init__("\n".join(map(str, self._errors)))
        self.args = (self._errors,)  # pickle calls the class with them

    @property
    def errors(self) -> tuple[InputError, ...]:
        return self._errors

    def __str__(self) -> str:
        return "\n".join(map(str, self._errors))


def joined(errors: Iterable[InputError]) -> InputError:
    """Combine one or more errors into one that can be raised; equal ones are kept once."""
    found = {str(error): error for error in errors}
    return InputErrors(found.values()) if len(found) > 1 else next(iter(found.values()))


def first_line(error: Exception) -> str:
    """Return the first line of an error of a library, or its type if it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def explaining(file: str | Path = "", *, key: str = "") -> Iterator[None]:
    """Add the file and the key to each InputError that is raised within the block and lacks them.

    Args:
        file: the experiment file; added only to errors that name a key, since others are not about the file.
        key: the key that the errors are about; added to errors that name none.
    """
    try:
        yield
    except InputError as error:
        for each in error.errors:
            each.key = each.key or key
            each.file = each.file or (str(file) if each.key else "")
        raise
