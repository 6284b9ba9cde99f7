"""Reading specifications from YAML, with errors that name file, line and field."""

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from clinfonce.config.base import PlacedError
from clinfonce.config.cluster_file import RayClusterSpec
from clinfonce.config.document import Place, read_values
from clinfonce.config.specification import TrialSpec
from clinfonce.config.sweep import ExperimentSpec, SweepSpec
from clinfonce.errors import InputError


def read_sweep(path: str | Path) -> SweepSpec:
    """Read the specification of a sweep; `InputError` names file, line and field."""
    return _read(Path(path), SweepSpec)


def read_experiment(path: str | Path) -> ExperimentSpec:
    """Read the specification of one trial; `InputError` names file, line and field."""
    return _read(Path(path), ExperimentSpec)


def read_sweep_or_experiment(path: str | Path) -> SweepSpec | ExperimentSpec:
    """Read the specification of a sweep or of one trial; of two complaints, the sweep's is given.

    Raises:
        InputError: it names file, line and field.
    """
    try:
        return read_sweep(path)
    except InputError as error:
        try:
            return read_experiment(path)
        except InputError:
            raise error from None


def read_ray_cluster(path: str | Path) -> tuple[RayClusterSpec, dict[str, Any]]:
    """Read the file of a Ray cluster: what is read here, and all that it says, for Ray.

    Raises:
        InputError: it names file, line and field.
    """
    values, lines = read_values(Path(path), as_ray=True)
    return _validated(Path(path), RayClusterSpec, values, lines), values


S = TypeVar("S", bound=BaseModel)


def _read(path: Path, spec: type[S]) -> S:
    return _validated(path, spec, *read_values(path))


def _validated(
    path: Path, spec: type[S], values: Mapping[str, Any], lines: Mapping[Place, int]
) -> S:
    try:
        return spec.model_validate(values)
    except ValidationError as error:
        findings = [_explain(finding, spec) for finding in error.errors()]
    place, problem = min(findings, key=lambda finding: _line_of(lines, finding[0]))
    field = ".".join(str(part) for part in place) or "specification"
    raise InputError(f"{path}:{_line_of(lines, place)}: {field}: {problem}")


def _line_of(lines: Mapping[Place, int], place: Sequence[str | int]) -> int:
    """The line of a place or of the nearest place around it."""
    for length in range(len(place), -1, -1):
        if line := lines.get(tuple(place[:length])):
            return line
    return 1


def _explain(error: Mapping[str, Any], spec: type[BaseModel]) -> tuple[Place, str]:
    """Put pydantic's finding into words: the place, and what is wrong with the value there."""
    place = tuple(part for part in error["loc"] if part not in _UNION_TAGS)
    context = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return place, _unknown_field(str(place[-1]), _fields(spec, place[:-1]))
        case "missing":
            return place, "is missing"
        case "literal_error":
            expected = context["expected"].replace(" or ", ", ")
            return place, f"{_show(error['input'])} is not one of {expected}"
        case "union_tag_not_found":
            kinds = "{choices: [...]}, {low: ..., high: ...} or {subset: [...]}"
            return place, f"a dimension of the search is {kinds}, got {_show(error['input'])}"
        case "value_error" if isinstance(context["error"], PlacedError):
            return _explain_placed(context["error"])
        case "value_error":
            return place, str(context["error"])
        case _:
            return place, f"{_rule(error)}, got {_show(error['input'])}{_hint(error['input'])}"


def _explain_placed(error: PlacedError) -> tuple[Place, str]:
    if error.finding is None:
        return error.place, str(error)
    inner, problem = _explain(error.finding, TrialSpec)
    return (*error.place, *inner) if error.within else error.place, problem


def _unknown_field(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"unknown field; {hint}allowed: {', '.join(known)}"


_UNION_TAGS = frozenset(
    {
        *("choices", "range", "subset", "roles", "int", "constrained-int", "float"),
        *("literal['all']", "all columns", "named columns"),
    }
)


def _rule(error: Mapping[str, Any]) -> str:
    text = str(error["msg"])
    for said, better in (
        ("Input should be", "must be"),
        ("Keys should be strings", "the name of a field must be a text"),
        ("a valid ", "a "),
        ("a boolean", "true or false"),
        ("a integer", "a whole number"),
        ("a int", "a whole number"),
        ("Tuple should have", "must have"),
        ("List should have", "must have"),
        ("String should", "must"),
    ):
        text = text.replace(said, better)
    return text


def _fields(spec: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """The fields of the model that a place leads to."""
    for part in place:
        if (info := spec.model_fields.get(str(part))) is None:
            continue  # the key or the number of one of several
        if (inner := _model_in(info.annotation)) is None:
            return []
        spec = inner
    return list(spec.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The first model that a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(part) for part in getattr(annotation, "__args__", ()))
    return next((model for model in found if model is not None), None)


def _hint(value: Any) -> str:
    """What to say of a text that looks like a number."""
    like_number = isinstance(value, str) and re.fullmatch(r"[-+]?[0-9][0-9_:.]*", value)
    return ", a text: numbers are written as 10, -3, 0.5 or 1e-3" if like_number else ""


def _show(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
