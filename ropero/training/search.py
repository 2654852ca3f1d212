"""What a search tries: the words `learning_rate=1e-4..1e-2,erase` and a config go in, a space of settings comes out.

The space of a setting is its own (`space.py`, on the field), made wide enough to hold what the config says now, or what
the user says. Knows nothing of how settings are tried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, get_type_hints

from ropero.errors import UsageError, did_you_mean
from ropero.texts import joined, t
from ropero.training.config import TrainConfig
from ropero.training.space import Around, Axis, Choices, Range, Tunable

Space = dict[str, Axis]
Settings = dict[str, Any]

# Why these: docs/tune.md.
DEFAULT = ("learning_rate", "weight_decay", "batch_size", "label_smoothing", "erase")
LOG_FROM = 100  # a user's range at least this many times as high as low is searched on a log scale
COUPLED_DECAY = 1e-3  # the most of an optimizer that adds it to the gradient, the least of one that does not
DIGITS = 3  # of a number that is tried: more would be noise, and a command no one can read
_FIELDS = {one.name: one for one in fields(TrainConfig)}
_HINTS = get_type_hints(TrainConfig)
_TUNABLE: dict[str, Tunable] = {name: one.metadata["tune"] for name, one in _FIELDS.items() if one.metadata.get("tune")}
# A setting that changes nothing unless another one has such a value.
_NEEDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "warmup": ("schedule", lambda value: value in ("one-cycle", "cosine")),
    "momentum": ("optimizer", lambda value: value == "sgd"),
    "beta2": ("optimizer", lambda value: value in ("adam", "adamw")),
    "erase_side": ("erase", lambda value: value > 0),
}


def searchable() -> list[str]:
    """The names of the settings that can be searched."""
    return list(_TUNABLE)


def space(config: TrainConfig, asked: Sequence[str] = (), given: Collection[str] = (), side: int = 28) -> Space:
    """What is tried for each setting.

    Args:
        config: where the search starts.
        asked: words such as "learning_rate,erase", "learning_rate=1e-4..1e-2" or "optimizer=adam,sgd"; none for the
            default settings.
        given: settings that the user has fixed; they are not searched unless asked.
        side: of the images in pixels.

    Raises:
        UsageError: a setting that does not exist, cannot be searched or would change nothing, or values it cannot have.
    """
    entries = _entries(asked)
    if not entries:
        small = {"erase"} if config.erase_side > side else set()
        entries = {name: "" for name in DEFAULT if name not in given and name not in small}
        if not entries:
            raise UsageError(t("All settings of the default search are given; name others, as in --search beta2,ema."))
    found = {name: _told(name, text, config) if text else _own(name, config, side) for name, text in entries.items()}
    if entries.get("weight_decay") == "":
        found["weight_decay"] = _decays(config, found)
    for name in found:
        _check_use(name, config, found)
    return found


def _entries(asked: Sequence[str]) -> dict[str, str]:
    """Names, each with what was said of it. In "optimizer=adam,sgd,erase" sgd is a choice, erase the next name."""
    entries: list[tuple[str, str]] = []
    for words in asked:
        for number, word in enumerate(words.split(",")):
            name, equals, text = (part.strip() for part in word.partition("="))
            name = name.removeprefix("--").replace("-", "_")
            # A choice in a list is no name of a setting.
            if number and not equals and name not in _FIELDS and entries[-1][1]:
                entries[-1] = (entries[-1][0], f"{entries[-1][1]},{word.strip()}")
                continue
            if equals and not text:
                raise UsageError(_how(name))
            entries.append((_known(name), text))
    names = [name for name, _ in entries]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(t("{name} was given twice.", name=name))
    return dict(entries)


def _known(name: str) -> str:
    if name in _TUNABLE:
        return name
    known = t("Known: {known}.", known=joined(_TUNABLE))
    if name in _FIELDS:
        raise UsageError(t("{name} cannot be searched.", name=name) + " " + known)
    raise UsageError(
        t("Unknown {what} {name!r}.", what=t("setting"), name=name) + did_you_mean(name, _TUNABLE) + " " + known
    )


def _how(name: str) -> str:
    return t("Say what to try for {name}: a range as in 0.1..0.5, or values as in 0.1,0.5.", name=name)


def _own(name: str, config: TrainConfig, side: int) -> Axis:
    """The setting's own space, made wide enough for what the config says."""
    now, own = getattr(config, name), _TUNABLE[name]
    match own:
        case Around(factor):
            highest = _FIELDS[name].metadata["high"] or math.inf
            return Range(_tidy(now / factor), _tidy(min(now * factor, highest)), log=True)
        case Range():
            high = min(own.high, side) if name == "erase_side" else own.high
            return replace(own, low=min(own.low, now, high), high=max(high, now))
        case Choices(values):
            if now in values or not is_number(name):
                return own
            # A neighbour that is all but the same would only be a trial lost.
            return Choices(tuple(sorted([now, *(one for one in values if abs(one - now) > 0.1 * now)])))


def _decays(config: TrainConfig, found: Space) -> Axis:
    """The weight decays that make sense for the optimizers. Decoupled, as in adamw, it is multiplied by the learning
    rate; added to the gradient, as in the others, a thousandth is much."""
    own, optimizers = found["weight_decay"], found.get("optimizer", Choices((config.optimizer,)))
    assert isinstance(own, Choices)
    assert isinstance(optimizers, Choices)
    decoupled = [one == "adamw" for one in optimizers.values]
    low, high = (COUPLED_DECAY if all(decoupled) else 0.0), (math.inf if any(decoupled) else COUPLED_DECAY)
    return Choices(tuple(one for one in own.values if one in (0, config.weight_decay) or low <= one <= high))


def _told(name: str, text: str, config: TrainConfig) -> Axis:
    """The space that the user says. Raises UsageError for values that the setting cannot have."""
    low, dots, high = text.partition("..")
    if not dots:
        values = tuple(dict.fromkeys(_value(name, word, config) for word in text.split(",")))
        if len(values) < 2:
            raise UsageError(_how(name))
        return Choices(tuple(sorted(values)) if is_number(name) else values)
    if not is_number(name):
        raise UsageError(t("{name} has no range; list its values, as in {name}={a},{b}.", name=name, **_two(name)))
    ends = _value(name, low, config), _value(name, high, config)
    if ends[0] >= ends[1]:
        raise UsageError(
            t("The range of {name} should rise, got {low}..{high}.", name=name, low=low.strip(), high=high.strip())
        )
    by_nature = isinstance(_TUNABLE[name], Around)
    return Range(*ends, log=ends[0] > 0 and (by_nature or ends[1] / ends[0] >= LOG_FROM))


def _two(name: str) -> dict[str, str]:
    own = _TUNABLE[name]
    assert isinstance(own, Choices)
    return {"a": _word(own.values[0]), "b": _word(own.values[1])}


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(name: str, word: str, config: TrainConfig) -> Any:
    """A word as a value that the config takes for this setting."""
    word, kind = word.strip(), _HINTS[name]
    value: Any = word
    if kind is bool:
        value = {"true": True, "false": False}.get(word.lower(), word)
    elif is_number(name):
        try:
            value = kind(word)
        except ValueError:
            message = t("{name} should be a number, got {value!r}.", name=name, value=word)
            if kind is int:
                message = t("{name} should be a whole number, got {value!r}.", name=name, value=word)
            raise UsageError(message) from None
    return getattr(config.replace(**{name: value}), name)


def _check_use(name: str, config: TrainConfig, found: Space) -> None:
    """Raises UsageError for a setting that changes nothing in any of the trials."""
    if name not in _NEEDS:
        return
    other, useful = _NEEDS[name]
    if other not in found and not useful(getattr(config, other)):
        raise UsageError(
            t(
                "{name} changes nothing while {other} is {value}; search {other} too, or give another one.",
                name=name,
                other=other,
                value=getattr(config, other),
            )
        )


def is_number(name: str) -> bool:
    """Whether a setting is a number: its choices then have an order."""
    return _HINTS[name] in (int, float)


def is_whole(name: str) -> bool:
    """Whether a setting is a whole number."""
    return _HINTS[name] is int


def start(found: Space, config: TrainConfig) -> tuple[Settings, bool]:
    """What the config says of the settings that are searched, and whether the space holds that.

    Where it does not (the user's range leaves it out), it is the nearest value that the space holds.
    """
    settings = {name: _nearest(axis, getattr(config, name)) for name, axis in found.items()}
    return settings, all(getattr(config, name) == value for name, value in settings.items())


def _nearest(axis: Axis, now: Any) -> Any:
    if isinstance(axis, Range):
        return type(now)(min(max(now, axis.low), axis.high))
    if now in axis.values:
        return now
    if isinstance(now, str | bool):
        return axis.values[0]
    return min(axis.values, key=lambda value: abs(value - now))


def tidy(name: str, axis: Range, value: float) -> float:
    """A number of a range as it is tried: whole, or of a few digits."""
    if is_whole(name):
        return round(value)
    few = _tidy(value) if axis.log else round(value, DIGITS - math.ceil(math.log10(axis.high - axis.low)))
    return float(min(max(few, axis.low), axis.high))


def _tidy(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def extremes(found: Space) -> Mapping[str, Any]:
    """The highest value of every number that is searched: what the images may be too small for."""
    return {name: _highest(name, axis) for name, axis in found.items() if is_number(name)}


def _highest(name: str, axis: Axis) -> Any:
    return tidy(name, axis, axis.high) if isinstance(axis, Range) else max(axis.values)
