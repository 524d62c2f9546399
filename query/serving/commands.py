"""The command that serves a lake."""

from typing import Annotated

import typer

from ...lake.console import ASK, LakePath, out
from ...lake.extras import needed

app = typer.Typer()


@app.command("serve", rich_help_panel=ASK)
def serve_command(
    lake: LakePath,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0: any that is free.")] = 0,
    open: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Look at a lake in the browser: commits, tables, trials, cells. Read-only, on this machine; Ctrl-C ends it.

    Example: neurolake serve --lake my-lake --open
    """
    from ..lake import Lake

    with needed("pages", "serve"):
        from .server import Server

    opened = Lake.open(lake)
    server = Server(opened, port)
    out.print(f"{opened.url} is at\n\n  {server.link}\n\nThe link works once. Ctrl-C ends this.")
    out.file.flush()
    if open:
        import webbrowser

        webbrowser.open(server.link)
    server.run()
