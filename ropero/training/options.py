"""Configs that are checked at birth: a field says its help and its range, and the same class is flags, JSON and more.

Knows nothing of what is configured.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from ropero.errors import UsageError, did_you_mean
from ropero.texts import joined, t
from ropero.training.space import Tunable


def option(
    default: Any,
    help: str,
    low: float | None = None,
    high: float | None = None,
    open_low: bool = False,
    tune: Tunable | None = None,
) -> Any:
    """A field with its help and the range it is checked against: [low, high], or (low, high] with open_low.

    tune is what a search tries for it (docs/tune.md says why); a field without it cannot be searched.
    """
    return field(default=default, metadata={"help": help, "low": low, "high": high, "open_low": open_low, "tune": tune})


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A config whose fields are each of the kind and in the range that they say; those without a range are left.

    Raises:
        UsageError: a value of the wrong kind or out of its range.
    """

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for one in fields(self):
            if "low" in one.metadata:
                object.__setattr__(self, one.name, _checked(one, hints[one.name], getattr(self, one.name)))

    def to_json(self) -> dict[str, Any]:
        """All fields by name, as config.json holds them."""
        return dataclasses.asdict(self)

    def replace(self, **changes: Any) -> Self:
        """A config with some fields changed. Raises UsageError for a field that does not exist."""
        return self.from_json({**self.to_json(), **changes})

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The config that `to_json` wrote. Raises UsageError for a field that does not exist."""
        known = [one.name for one in fields(cls)]
        for name in values:
            if name not in known:
                raise UsageError(t("Unknown option {name!r}.", name=name) + did_you_mean(name, known))
        return cls(**values)


def _checked(one: dataclasses.Field[Any], hint: Any, value: Any) -> Any:
    """The value, whole numbers taken for floats too. Raises UsageError when kind or range is wrong."""
    if get_origin(hint) is Literal:
        known = get_args(hint)
        if value not in known:
            raise UsageError(
                t(
                    "{name} should be one of {known}, got {value!r}.",
                    name=one.name,
                    known=joined(get_args(hint)),
                    value=value,
                )
                + did_you_mean(str(value), get_args(hint))
            )
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise UsageError(
            t("{name} should be of type {kind}, got {value!r}.", name=one.name, kind=hint.__name__, value=value)
        )
    low, high = one.metadata["low"], one.metadata["high"]
    if hint in (int, float):
        too_low = low is not None and (value <= low if one.metadata["open_low"] else value < low)
        if not math.isfinite(value) or too_low or (high is not None and value > high):
            raise UsageError(
                t(
                    "{name} should be {sign} {low} and at most {high}, got {value}.",
                    name=one.name,
                    sign=t("more than") if one.metadata["open_low"] else t("at least"),
                    low=low,
                    high="∞" if high is None else high,
                    value=value,
                )
            )
    return value
