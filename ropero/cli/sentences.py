"""Cyclopts' help and errors in the user's language: a formatter for help pages, a sentence for each kind of mistake."""

from __future__ import annotations

from typing import Any

from cyclopts import (
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)
from cyclopts.help import DefaultFormatter, HelpPanel
from rich.console import Console, ConsoleOptions
from rich.text import Text

from ropero.errors import did_you_mean
from ropero.texts import joined, mark, t

_TITLES = {"Commands": mark("Commands"), "Parameters": mark("Options"), "Arguments": mark("Arguments")}
_PLACEHOLDERS = (mark("COMMAND"), mark("[OPTIONS]"), mark("[ARGS]"))
_OWN = {
    "Display this message and exit.": mark("Show this help."),
    "Display application version.": mark("Show the versions that a bug report needs."),
}


class TranslatedHelp(DefaultFormatter):
    """Cyclopts' help page with every word taken from the catalogue when it is shown."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        title = _TITLES.get(str(panel.title), str(panel.title))
        # What is said in the description here, Cyclopts need not add in English.
        said = {"choices": None, "default": None, "required": False}
        entries = [entry.copy(description=_described(entry), **said) for entry in panel.entries]
        super().__call__(console, options, panel.copy(title=t(title), entries=entries))

    def render_usage(self, console: Console, options: ConsoleOptions, usage: Any) -> None:
        if usage:
            line = str(usage).removeprefix("Usage: ").strip()
            for word in _PLACEHOLDERS:
                line = line.replace(word, t(word))
            console.print(Text(t("Usage:"), style="bold") + " " + line)

    def render_description(self, console: Console, options: ConsoleOptions, description: Any) -> None:
        text = _plain(description)
        if text:
            console.print("\n" + t(text) + "\n", markup=False, highlight=False)


def _described(entry: Any) -> Text:
    """Help, choices and default of one option, translated."""
    text = _plain(entry.description)
    found = Text(t(_OWN.get(text, text)) if text else "")
    if entry.choices:
        found.append("  [" + t("one of: {choices}", choices=joined(entry.choices)) + "]", style="dim")
    if entry.default not in (None, "False"):
        found.append("  [" + t("default: {value}", value=entry.default) + "]", style="dim")
    if entry.required:
        found.append("  [" + t("required") + "]", style="dim")
    return found


def _plain(value: Any) -> str:
    """The English text inside whatever Cyclopts wrapped it in."""
    inner = getattr(value, "primary_renderable", value)
    if inner is None:
        return ""
    return str(getattr(inner, "plain", None) or getattr(inner, "markup", None) or inner).strip()


def sentence(error: CycloptsError) -> str:
    """What is wrong with a command line, expected, got and cure."""
    match error:
        case UnknownCommandError():
            wrong = (error.unused_tokens or ["?"])[0]
            commands = [name for name in (error.app or ()) if not name.startswith("-")]
            return (
                t("Unknown command {name!r}.", name=wrong)
                + did_you_mean(wrong, commands)
                + " "
                + t("Known: {known}.", known=joined(commands))
            )
        case UnknownOptionError():
            wrong = error.token.keyword or error.token.value
            options = [name for one in error.argument_collection for name in one.names]
            return t("Unknown option {name!r}.", name=wrong) + did_you_mean(wrong, options) + _see_help(error)
        case CoercionError() if error.token is not None and error.argument is not None:
            name = error.token.keyword or error.argument.name
            choices = error.argument.get_choices() or ()
            if choices:
                return t(
                    "{name} should be one of {known}, got {value!r}.",
                    name=name,
                    known=joined(choices),
                    value=error.token.value,
                ) + did_you_mean(error.token.value, choices)
            value = error.token.value
            if "int" in str(error.argument.hint):
                return t("{name} should be a whole number, got {value!r}.", name=name, value=value)
            if "float" in str(error.argument.hint):
                return t("{name} should be a number, got {value!r}.", name=name, value=value)
            return t("{name} cannot be {value!r}.", name=name, value=value)
        case MissingArgumentError() if error.argument is not None:
            name = error.keyword or error.argument.name
            return t("{name} is missing its value.", name=name) + _see_help(error)
        case RepeatArgumentError():
            return t("{name} was given twice.", name=error.token.keyword or error.token.value)
        case UnusedCliTokensError():
            return t("Unexpected: {words}.", words=" ".join(error.unused_tokens or [])) + _see_help(error)
        case _:
            return str(error)


def _see_help(error: CycloptsError) -> str:
    command = " ".join(["ropero", *(error.command_chain or [])])
    return " " + t("See: {command} --help", command=command)
