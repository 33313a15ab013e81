"""Base of results that are shown as tables: on a terminal, in a log and in a notebook."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType

WIDTH = 160  # columns if no terminal sets them
_HTML = (
    '<pre style="white-space:pre;overflow-x:auto;line-height:normal;'
    "font-family:Menlo,'DejaVu Sans Mono',consolas,'Courier New',monospace\">{code}</pre>"
)


class Shown:
    """Base of results with a table: `print`, a REPL, rich and a notebook all show what `__rich__` returns."""

    def __rich__(self) -> RenderableType:
        raise NotImplementedError

    def __str__(self) -> str:
        terminal = _recorder()
        terminal.print(self.__rich__(), crop=False)
        return "\n".join(line.rstrip() for line in terminal.export_text().splitlines())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        terminal = _recorder()
        terminal.print(self.__rich__(), crop=False)
        return terminal.export_html(code_format=_HTML, inline_styles=True)


def _recorder() -> Console:
    """Return a console that records what is printed and shows nothing, not even in a notebook."""
    return Console(file=io.StringIO(), width=WIDTH, record=True, highlight=False, force_jupyter=False)
