"""`ropero --install-completion`: the Tab key completes commands and options."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.completion.detect import ShellDetectionError

from ropero.cli import screen
from ropero.errors import UsageError
from ropero.texts import mark, t

Shell = Literal["bash", "zsh", "fish", "powershell"]


def register(app: App) -> None:
    def install(
        *, shell: Annotated[Shell | None, Parameter(help=mark("Your shell; found out when not given."))] = None
    ) -> None:
        try:
            path = app.install_completion(shell=shell)
        except ShellDetectionError as error:
            raise UsageError(t("Which shell this is cannot be found out; say it, as in --shell bash.")) from error
        screen.show(t("Completion is in {path}. Open a new terminal to use it.", path=path))

    text = mark("Install completion of commands and options in your shell.")
    app.command(install, name="--install-completion", help=text)
