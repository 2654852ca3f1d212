"""Builds the application, chooses the language, turns every mistake into one sentence and exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from ropero import texts
from ropero.cli import data, evaluate, explore, networks, predict, report, runs, screen, train
from ropero.cli.sentences import TranslatedHelp, sentence
from ropero.errors import RoperoError
from ropero.texts import mark, t

OK, MISTAKE, INTERRUPTED = 0, 2, 130


def build() -> App:
    """The application with all its verbs."""
    app = App(
        name="ropero",
        help=mark("Train, test, explain and report garment image classifiers."),
        version=_versions,
        help_formatter=TranslatedHelp(),
        help_format="plaintext",
        print_error=False,
        exit_on_error=False,
        result_action="return_value",
    )
    data.register(app)
    explore.register(app)
    networks.register(app)
    train.register(app)
    evaluate.register(app)
    predict.register(app)
    runs.register(app)
    report.register(app)
    app.register_install_completion_command()
    return app


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return the exit code."""
    try:
        texts.use(_language(arguments))
        build()(list(arguments))
    except CycloptsError as error:
        return _mistake(sentence(error))
    except RoperoError as error:
        return _mistake(str(error))
    except KeyboardInterrupt:
        screen.say("\n" + t("Interrupted. Repeat the same command to go on where it stopped."))
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our pipe has left (`| head`); there is no one to tell.
        sys.stdout = None
        return OK
    return OK


def _mistake(text: str) -> int:
    screen.err().print(f"[bold red]{t('error')}:[/] ", end="")
    screen.say(text)
    return MISTAKE


def _language(arguments: Sequence[str]) -> str | None:
    """What --lang says, before anything is parsed; None when it says nothing ropero speaks (the parser will object)."""
    for number, word in enumerate(arguments):
        if word == "--":
            break
        name, _, value = word.partition("=")
        if name == "--lang":
            value = value or (arguments[number + 1] if number + 1 < len(arguments) else "")
            return value if value in texts.LANGUAGES else None
    return None


def _versions() -> str:
    from ropero.runtime import environment

    names = {"ropero": "ropero", "commit": "commit", "python": "Python", "torch": "PyTorch", "numpy": "NumPy"}
    found = environment()
    known = [f"{label} {found[key]}" for key, label in names.items() if found[key]]
    machine = f"{found['system']}; {found['cpu']}, {found['cores']} cores; {found['device']}"
    return "\n".join([*known, machine])
