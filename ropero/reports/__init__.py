"""Figures and pages: numbers in, pictures out. The only room that knows matplotlib and jinja2, an optional extra."""

from importlib.util import find_spec

from ropero.errors import MissingExtra
from ropero.texts import t

# Asked here, once, so that every module below may import them plainly and a user reads a sentence, not a traceback.
if find_spec("matplotlib") is None or find_spec("jinja2") is None:
    raise MissingExtra(t("A report or picture"), "report")
