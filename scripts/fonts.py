"""Make ropero/reports/fonts from Debian's fonts-noto-cjk: one small OpenType font for Chinese, and its licence.

    apt install fonts-noto-cjk && python scripts/fonts.py

Figures fall back to it where DejaVu Sans has no glyph; pages embed only the characters they show
(ropero/reports/typeface.py). Noto Sans CJK is under the SIL Open Font License 1.1 and reserves no font name. The
subset is renamed all the same: it is a modified version, and matplotlib must not confuse it with an installed Noto.
Same input, same fontTools: same bytes.
"""

from __future__ import annotations

import re
from pathlib import Path

from fontTools import subset  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

SOURCE = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
SIMPLIFIED_CHINESE = 2  # the collection holds JP, KR, SC, TC, HK
COPYRIGHT = Path("/usr/share/doc/fonts-noto-cjk/copyright")
ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "ropero" / "reports" / "fonts"
FAMILY = "Ropero Sans SC"

# Latin with the accents of Spanish and its neighbours, dashes and quotes, arrows and marks, CJK and full-width signs.
RANGES = (
    (0x0020, 0x007E),
    (0x00A0, 0x017F),
    (0x2010, 0x2026),
    (0x2030, 0x203A),
    (0x2190, 0x2193),
    (0x3000, 0x301F),
    (0xFF01, 0xFF5E),
    (0xFFE0, 0xFFE6),
)


def gb2312() -> set[str]:
    """The 6,763 characters of GB 2312, levels 1 (usual) and 2: users name their own classes too."""
    found = set()
    for row in range(0xB0, 0xF8):
        for cell in range(0xA1, 0xFF):
            try:
                found.add(bytes([row, cell]).decode("gb2312"))
            except UnicodeDecodeError:
                continue  # a few cells of the table are empty
    return found


def characters() -> set[int]:
    """Everything the font must show: the ranges, GB 2312, and whatever ropero's own Chinese texts use besides."""
    texts = ROOT / "ropero" / "texts" / "zh.po"
    own = set(texts.read_text("utf-8")) if texts.exists() else set()
    wanted = {ord(char) for char in gb2312() | own if char.isprintable()}
    for first, last in RANGES:
        wanted.update(range(first, last + 1))
    return wanted


def make_font() -> Path:
    """The subset as OpenType with CFF outlines: half the size of TrueType ones, and matplotlib reads both."""
    font = TTFont(SOURCE, fontNumber=SIMPLIFIED_CHINESE, recalcTimestamp=False)
    options = subset.Options(layout_features=[], hinting=False, desubroutinize=True, name_IDs=["*"])
    options.drop_tables += ["BASE", "GDEF", "GPOS", "GSUB", "VORG", "vhea", "vmtx"]
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=characters())
    subsetter.subset(font)
    _rename(font)
    path = FOLDER / f"{FAMILY.replace(' ', '')}.otf"
    font.save(path)
    return path


def _rename(font: TTFont) -> None:
    names = font["name"]
    plain = FAMILY.replace(" ", "")
    names.names = [one for one in names.names if one.langID in (0, 0x409)]
    for number, text in {1: FAMILY, 3: f"{plain}-Regular", 4: FAMILY, 6: f"{plain}-Regular", 16: FAMILY}.items():
        names.setName(text, number, 3, 1, 0x409)
    top = font["CFF "].cff
    top.fontNames = [f"{plain}-Regular"]
    top[0].FullName = top[0].FamilyName = FAMILY


def make_licence() -> Path:
    """OFL.txt, read out of Debian's copyright file, under the copyright line that the font itself carries."""
    font = TTFont(SOURCE, fontNumber=SIMPLIFIED_CHINESE, lazy=True)
    block = re.search(r"^License: SIL-1\.1\n((?: .*\n)+)", COPYRIGHT.read_text("utf-8"), re.M)
    if block is None:
        raise SystemExit(f"no SIL-1.1 licence text in {COPYRIGHT}")
    lines = [line[1:] for line in block[1].splitlines()]
    licence = "\n".join("" if line == "." else line for line in lines).strip()
    head = (
        f"{FAMILY} is a subset of Noto Sans CJK SC ({font['name'].getDebugName(5).partition(';')[0]}), renamed.\n"
        f"{font['name'].getDebugName(0)}\n"
        "Noto is a trademark of Google Inc.\n\n"
        "This Font Software is licensed under the SIL Open Font License, Version 1.1, copied below.\n\n"
    )
    path = FOLDER / "OFL.txt"
    path.write_text(head + licence + "\n", "utf-8")
    return path


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in (make_font(), make_licence()):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
