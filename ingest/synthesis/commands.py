"""Commands about the environment in which NeuroTS runs."""

import typer

from ...lake.console import err, out

app = typer.Typer(help="The environment of NeuroTS, which grows astrocytes.", no_args_is_help=True)


@app.command("install")
def install_command() -> None:
    """Install NeuroTS in an environment of its own, or bring it up to date.

    It is in the user's cache, or in the folder that NEUROLAKE_SYNTHESIS names.

    Example: neurolake synthesis install
    """
    from .environment import install

    out.say(f"installed: {install(err.detail)}")


@app.command("show")
def show_command() -> None:
    """Show where the environment is, and what it has.

    Example: neurolake synthesis show
    """
    from .environment import environment, interpreter, versions

    state = versions() if interpreter() is not None else "not installed: run neurolake synthesis install"
    out.say(f"{environment()}: {state}")
