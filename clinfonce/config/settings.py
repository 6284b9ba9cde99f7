"""Fields of a specification that are set on the command line: `trial.epochs=20`."""

from collections.abc import Mapping, Sequence
from typing import Any

from clinfonce.config.document import Place, read_value
from clinfonce.errors import InputError

_OPTION = "--set"
_POLICY = "augmentation"  # a policy's name stands for a mapping with that as `policy`
_DOTTED = ("space", "choose")  # mappings whose keys are dotted fields themselves


def with_settings(
    values: Mapping[str, Any], settings: Sequence[str]
) -> tuple[dict[str, Any], dict[Place, str]]:
    """Values with some fields set, and which setting set each of those places.

    Each setting is FIELD=VALUE, the value as YAML. A field is dotted (`trial.epochs`); an element
    of a list is named by its number, or by its `name` (`fixed.SupCon.trial.epochs`).

    Raises:
        InputError: no such form, a value that is not YAML, or a path through what has no fields.
    """
    changed, places = dict(values), dict[Place, str]()
    for setting in settings:
        path, separator, text = setting.partition("=")
        if not separator or not path.strip():
            raise InputError(f"{_OPTION} {setting!r}: not FIELD=VALUE, such as trial.epochs=20")
        value = read_value(text, f"{_OPTION} {setting}")
        changed, place = _set(changed, path.strip(), value, setting)
        places[place] = f"{_OPTION} {setting}"
    return changed, places


def _set(within: Any, path: str, value: Any, setting: str, above: Place = ()) -> Any:
    """A copy of `within` with the field at a path set, and the field's place."""
    if isinstance(within, list):
        return _set_in_list(within, path, value, setting, above)
    if above and above[-1] == _POLICY and isinstance(within, str):
        within = {"policy": within}
    if within is not None and not isinstance(within, Mapping):
        raise InputError(
            f"{_OPTION} {setting}: {'.'.join(map(str, above))} is {within!r}, which has no fields"
        )
    fields = dict(within or {})
    field, rest = _first_field(fields, path, above)
    place = (*above, field)
    if not rest:
        fields[field] = value
        return fields, place
    fields[field], place = _set(fields.get(field), rest, value, setting, place)
    return fields, place


def _first_field(fields: Mapping[str, Any], path: str, above: Place) -> tuple[str, str]:
    """The field of a mapping that a path begins with, and the rest of the path."""
    dotted = above and above[-1] in _DOTTED
    if dotted:
        known = [name for name in fields if path == name or path.startswith(f"{name}.")]
        field = max(known, key=len, default=path)
    else:
        field = path.split(".")[0]
    return field, path[len(field) + 1 :]


def _set_in_list(
    within: list[Any], path: str, value: Any, setting: str, above: Place
) -> tuple[list[Any], Place]:
    names = [e.get("name") if isinstance(e, Mapping) else None for e in within]
    known = {str(n): n for n in range(len(within))}
    known |= {str(name): number for number, name in enumerate(names) if name is not None}
    found = [key for key in known if path == key or path.startswith(f"{key}.")]
    if not found:
        there = [str(name) for name in names if name is not None]
        raise InputError(
            f"{_OPTION} {setting}: {'.'.join(map(str, above))} has {len(within)} elements"
            + (f" ({', '.join(there)})" if there else "")
            + f", none called {path.split('.')[0]!r}"
        )
    key = max(found, key=len)
    number, rest = known[key], path[len(key) + 1 :]
    changed = list(within)
    place: Place = (*above, number)
    if rest:
        changed[number], place = _set(within[number], rest, value, setting, place)
    else:
        changed[number] = value
    return changed, place
