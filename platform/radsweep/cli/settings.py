"""Options of a command made from a settings class, so that a field's help, type and default are in one place."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from radsweep.config.explain import validated


def takes_settings(settings: type[BaseModel]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give the command its first argument from options, one for each field of `settings`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        options = [_option(name, field) for name, field in settings.model_fields.items()]

        @wraps(command)
        def with_options(**given: Any) -> None:
            rest = {parameter.name: given.pop(parameter.name) for parameter in own}
            command(validated(settings, given, _flag), **rest)

        parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own] + options
        with_options.__dict__["__signature__"] = inspect.Signature(parameters)
        with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return with_options

    return decorate


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    repeated = get_origin(field.annotation) is tuple and get_args(field.annotation)[1:] == (...,)
    about = field.description or ""
    shown = typer.Option(
        _flag(name),
        help=f"{about[:1].upper()}{about[1:]}{'; repeatable' if repeated else ''}.",
        metavar="<str>" if repeated else None,
        show_default=field.default not in ((), ""),
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=list(field.default) if repeated else field.default,
        annotation=Annotated[list[str] if repeated else field.annotation, shown],
    )


def _flag(field: str) -> str:
    return f"--{field.replace('_', '-')}"
