"""The catalogue is complete in every language, and the user's language is found."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ropero
from ropero import texts
from ropero.errors import unknown
from ropero.texts import t, tn

ROOT = Path(__file__).parent.parent.parent


def test_every_message_is_translated_and_compiled() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "texts.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"LANG": "es_CL.UTF-8"}, "es"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "de_DE"}, "en"),
        ({"LC_ALL": "C", "LANG": "es_ES"}, "en"),
        ({"ROPERO_LANG": "zh", "LC_ALL": "es_ES"}, "zh"),
        ({"LC_MESSAGES": "es_MX", "LANG": "en_US"}, "es"),
    ],
)
def test_the_first_variable_that_is_set_decides(environ: dict[str, str], expected: str) -> None:
    assert texts.detect(environ) == expected


def test_a_with_block_speaks_and_returns() -> None:
    with texts.language("es"):
        assert texts.current() == "es"
        with texts.language("zh"):
            assert texts.current() == "zh"
        assert texts.current() == "es"
    assert texts.current() == "en"


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="en, es, zh"):
        texts.use("fr")


def test_values_are_filled_and_not_read_as_fields() -> None:
    assert t("Unknown network {name!r}. {x}", name="{evil}", x=1) == "Unknown network '{evil}'. 1"
    assert tn("{n} image", "{n} images", 1) == "1 image"
    assert tn("{n} image", "{n} images", 2) == "2 images"
    assert t("") == ""


def test_names_in_a_row_are_divided_as_the_language_divides_them() -> None:
    assert texts.joined(["a", 2]) == "a, 2"
    with texts.language("zh"):
        assert texts.joined(iter(["a", 2])) == "a、2"
    assert texts.joined([]) == ""


def test_names_in_a_sentence_are_divided_as_its_language_does() -> None:
    with texts.language("zh"):
        assert "quick、cnn" in str(unknown("", "x", ["quick", "cnn"]))
    for path in sorted(Path(ropero.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("t", "tn"):
                told = [*node.args, *(one.value for one in node.keywords)]
                assert not any("', '.join(" in ast.unparse(one) for one in told), f"{path}:{node.lineno}"
