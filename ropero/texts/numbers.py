"""Numbers as the reader's language writes them. Knows nothing of what they count.

Spanish: decimal comma, narrow space between thousands from five digits on, a space before the % sign (RAE, Ortografía).
English and Chinese: decimal point, comma between thousands, no space.
"""

from __future__ import annotations

from dataclasses import dataclass

from ropero.texts.catalogue import current

NARROW = "\N{NO-BREAK SPACE}"  # the narrow one is missing from too many fonts


@dataclass(frozen=True)
class Numbers:
    """How to write numbers in one language."""

    language: str

    @classmethod
    def current(cls) -> Numbers:
        """For the language in force."""
        return cls(current())

    def whole(self, value: int) -> str:
        """60,000 or 60 000."""
        text = f"{value:,}"
        if self.language != "es":
            return text
        return text.replace(",", NARROW) if abs(value) >= 10_000 else text.replace(",", "")

    def decimal(self, value: float, digits: int = 3) -> str:
        """0.123 or 0,123."""
        whole, _, rest = f"{value:.{digits}f}".partition(".")
        # The sign of a small negative number is not in its whole part.
        sign = "-" if whole.startswith("-") else ""
        point = "," if self.language == "es" else "."
        return sign + self.whole(abs(int(whole))) + (point + rest if rest else "")

    def general(self, value: float) -> str:
        """As few digits as tell the number: 0.012, 1e-05, 50."""
        text = f"{value:g}"
        return text.replace(".", ",") if self.language == "es" else text

    def percent(self, share: float, digits: int = 1) -> str:
        """93.2% or 93,2 %; what is not all of it is never written as 100%."""
        top = 1 - 0.01 / 10**digits
        if top < share < 1 and f"{share * 100:.{digits}f}".startswith("100"):
            return ">" + self.percent(top, digits)
        return self.decimal(share * 100, digits) + (f"{NARROW}%" if self.language == "es" else "%")

    def percent_short(self, share: float) -> str:
        """A percentage with as few digits as tell it: 10%, 0.01%."""
        return self.general(share * 100) + (f"{NARROW}%" if self.language == "es" else "%")

    def seconds(self, value: float) -> str:
        """48.3 s, 12 min 05 s, 3 h 20 min."""
        if value < 120:
            return f"{self.decimal(value, 1)} s"
        minutes, seconds = divmod(round(value), 60)
        if minutes < 120:
            return f"{minutes} min {seconds:02d} s"
        return f"{minutes // 60} h {minutes % 60:02d} min"


def whole(value: int) -> str:
    """A whole number in the language in force."""
    return Numbers.current().whole(int(value))


def decimal(value: float, digits: int) -> str:
    """A number with this many decimals in the language in force."""
    return Numbers.current().decimal(float(value), digits)


def rough(value: float) -> str:
    """A number by its first two digits, however small: 4.8e-07, 0.012; in the language in force."""
    return Numbers.current().general(float(f"{value:.1e}"))


def percent(share: float, digits: int) -> str:
    """A share as a percentage with this many decimals in the language in force."""
    return Numbers.current().percent(float(share), digits)
