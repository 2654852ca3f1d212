"""Builds the application, chooses the language, turns every mistake into one sentence and exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from ropero import texts
from ropero.cli import (
    compare,
    complete,
    completion,
    data,
    evaluate,
    explain,
    explore,
    export,
    generate,
    importing,
    lr_find,
    networks,
    predict,
    report,
    reproduce,
    runs,
    screen,
    suspects,
    train,
    tune,
    verify,
)
from ropero.cli.sentences import TranslatedHelp, sentence
from ropero.errors import RoperoError
from ropero.texts import mark, t

OK, MISTAKE, INTERRUPTED = 0, 2, 130
STDIN = "stdin:"  # what a lone "-" becomes: the parser takes it for an option


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
        suppress_keyboard_interrupt=False,
        result_action="return_value",
    )
    data.register(app)
    explore.register(app)
    networks.register(app)
    train.register(app)
    tune.register(app)
    importing.register(app)
    lr_find.register(app)
    evaluate.register(app)
    compare.register(app)
    explain.register(app)
    predict.register(app)
    complete.register(app)
    runs.register(app)
    suspects.register(app)
    report.register(app)
    export.register(app)
    verify.register(app)
    generate.register(app)
    reproduce.register(app)
    completion.register(app)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return the exit code."""
    try:
        language, rest = _split_language(arguments)
        texts.use(language)
        build()([STDIN if word == "-" else word for word in rest])
    except CycloptsError as error:
        return _mistake(sentence(error))
    except RoperoError as error:
        return _mistake(str(error))
    except KeyboardInterrupt as error:
        # What can be done about it, where there is something, is what the verb raised it with.
        screen.say("\n" + " ".join([t("Interrupted."), *map(str, error.args)]))
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our pipe has left (`| head`); there is no one to tell.
        sys.stdout = None
        return OK
    except OSError as error:
        if error.filename is None:
            return _mistake(error.strerror or str(error))
        return _mistake(t("Cannot use {path}: {reason}", path=error.filename, reason=error.strerror or error))
    except MemoryError:
        return _mistake(t("There is not enough memory for this; smaller images (--image-size) or batches need less."))
    return OK


def _mistake(text: str) -> int:
    label = t("error")
    screen.err().print(f"[bold red]{label}:[/] ", end="")
    screen.say(text)
    return MISTAKE


def _split_language(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """(what --lang says, the other arguments): it is read before anything is parsed and may stand anywhere.

    A language that ropero does not speak is left in place, for the parser to object.
    """
    words = list(arguments)
    for at, word in enumerate(words):
        if word == "--":
            break
        name, equals, value = word.partition("=")
        if name == "--lang":
            end = at + 1 if equals else at + 2
            value = value if equals else "".join(words[at + 1 : at + 2])
            return (value, words[:at] + words[end:]) if value in texts.LANGUAGES else (None, words)
    return None, words


def _versions() -> str:
    from ropero.runtime import environment

    names = {"ropero": "ropero", "commit": "commit", "python": "Python", "torch": "PyTorch", "numpy": "NumPy"}
    found = environment()
    known = [f"{label} {found[key]}" for key, label in names.items() if found[key]]
    cores = t("{n} cores", n=found["cores"])
    machine = f"{found['system']}; {found['cpu']}, {cores}; {found['device']}"
    return "\n".join([*known, machine])
