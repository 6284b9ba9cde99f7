"""Reading specifications from YAML, with errors that name file, line and field."""

import difflib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, Tag, ValidationError
from pydantic.fields import FieldInfo

from clinfonce.config.base import PlacedError
from clinfonce.config.cluster_file import RayClusterSpec
from clinfonce.config.document import Place, parse_values, read_values
from clinfonce.config.settings import with_settings
from clinfonce.config.shipped import find_specification
from clinfonce.config.specification import TrialSpec
from clinfonce.config.sweep import ExperimentSpec, SweepSpec
from clinfonce.errors import InputError

Source: TypeAlias = str | Path
Settings: TypeAlias = Sequence[str]


def read_sweep(source: Source, settings: Settings = ()) -> SweepSpec:
    """Read the specification of a sweep.

    Args:
        source: a file, or the name of one that comes with the package.
        settings: FIELD=VALUE, in place of what the file says.

    Raises:
        InputError: it names file, line and field, or the setting.
    """
    return _read(source, SweepSpec, settings)


def read_experiment(source: Source, settings: Settings = ()) -> ExperimentSpec:
    """Read the specification of one trial, as `read_sweep` does."""
    return _read(source, ExperimentSpec, settings)


def read_sweep_or_experiment(source: Source, settings: Settings = ()) -> SweepSpec | ExperimentSpec:
    """Read the specification of a sweep or of one trial; of two complaints, the sweep's is given.

    Raises:
        InputError: it names file, line and field, or the setting.
    """
    try:
        return read_sweep(source, settings)
    except InputError as error:
        try:
            return read_experiment(source, settings)
        except InputError:
            raise error from None


def check_specification(text: str, spec: type[BaseModel], where: str = "specification") -> None:
    """Read a specification that is a text.

    Raises:
        InputError: it is none; it names line and field.
    """
    _validated(Path(where), spec, *parse_values(text, where))


def specification_text(source: Source, settings: Settings = ()) -> str:
    """A specification as it is sent to another machine: its file's text, or that with settings.

    Raises:
        InputError: it cannot be read.
    """
    path = find_specification(source)
    if not settings:
        return path.read_text(encoding="utf-8")
    values, _ = with_settings(read_values(path)[0], settings)
    return json.dumps(values, ensure_ascii=False)  # which is YAML too


def read_ray_cluster(path: str | Path) -> tuple[RayClusterSpec, dict[str, Any]]:
    """Read the file of a Ray cluster: what is read here, and all that it says, for Ray.

    Raises:
        InputError: it names file, line and field.
    """
    values, lines = read_values(Path(path), as_ray=True)
    return _validated(Path(path), RayClusterSpec, values, lines), values


S = TypeVar("S", bound=BaseModel)


def _read(source: Source, spec: type[S], settings: Settings) -> S:
    path = find_specification(source)
    values, lines = read_values(path)
    values, places = with_settings(values, settings)
    return _validated(path, spec, values, lines, places)


def _validated(
    path: Path,
    spec: type[S],
    values: Mapping[str, Any],
    lines: Mapping[Place, int],
    settings: Mapping[Place, str] = MappingProxyType({}),
) -> S:
    try:
        return spec.model_validate(values)
    except ValidationError as error:
        findings = [_explain(finding, spec, values) for finding in error.errors()]
    place, problem = min(findings, key=lambda finding: _line_of(lines, finding[0]))
    field = ".".join(str(part) for part in place) or "specification"
    raise InputError(f"{_where(path, place, lines, settings)}: {field}: {problem}")


def _where(
    path: Path, place: Place, lines: Mapping[Place, int], settings: Mapping[Place, str]
) -> str:
    """The setting that a place was set by, else its file and line."""
    given = [setting for at, setting in settings.items() if at == place[: len(at)]]
    return given[-1] if given else f"{path}:{_line_of(lines, place)}"


def _line_of(lines: Mapping[Place, int], place: Sequence[str | int]) -> int:
    """The line of a place or of the nearest place around it."""
    for length in range(len(place), -1, -1):
        if line := lines.get(tuple(place[:length])):
            return line
    return 1


def _explain(error: Mapping[str, Any], spec: type[BaseModel], values: Any) -> tuple[Place, str]:
    """Put pydantic's finding into words: the place in `values`, and what is wrong there."""
    place = _place(error, values)
    context = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return place, _unknown_field(str(place[-1]), _fields(spec, error["loc"][:-1]))
        case "missing":
            return place, "is missing"
        case "literal_error":
            expected = context["expected"].replace(" or ", ", ")
            return place, f"{_show(error['input'])} is not one of {expected}"
        case "union_tag_not_found":
            kinds = "{choices: …}, {low: …, high: …}, {subset: …} or {columns: …}"
            return place, f"a dimension of the search is {kinds}, got {_show(error['input'])}"
        case "value_error" if isinstance(context["error"], PlacedError):
            return _explain_placed(context["error"], values)
        case "value_error":
            return place, str(context["error"])
        case _:
            return place, f"{_rule(error)}, got {_show(error['input'])}{_hint(error['input'])}"


def _explain_placed(error: PlacedError, values: Any) -> tuple[Place, str]:
    if error.finding is None:
        return error.place, str(error)
    inner, problem = _explain(error.finding, TrialSpec, _value_at(values, error.place))
    return (*error.place, *inner) if error.within else error.place, problem


def _place(error: Mapping[str, Any], values: Any) -> Place:
    """Where a finding is in what was written: its location less the tags of unions.

    A field may be named as a tag is: such a part is kept where it leads on in `values`.
    """
    location = tuple(error["loc"])
    named = location[-1:] if error["type"] in ("extra_forbidden", "missing") else ()
    written = () if error["type"] == "missing" else named
    around = location[: len(location) - len(named)]
    choices = [((part,), ()) if part in _UNION_TAGS else ((part,),) for part in around]
    places = [tuple(itertools.chain(*kept)) for kept in itertools.product(*choices)]
    leading = (at for at in places if _value_at(values, (*at, *written)) is not _NOTHING)
    return (*next(leading, places[-1]), *named)


def _value_at(values: Any, place: Place) -> Any:
    """What was written at a place; `_NOTHING` where it leads nowhere."""
    for part in place:
        try:
            values = values[part]
        except (LookupError, TypeError):
            return _NOTHING
    return values


_NOTHING = object()


def _unknown_field(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"unknown field; {hint}allowed: {', '.join(known)}"


_UNION_TAGS = frozenset(
    {
        *("choices", "range", "subset", "roles", "clusterings", "int", "constrained-int", "float"),
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


def _fields(spec: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """The fields of the model that a finding's location leads to."""
    kind: Any = spec
    for part in location:
        if (tagged := _tagged(kind, part)) is not None:
            kind = tagged
        elif (info := _fields_of(kind).get(str(part))) is not None:
            kind = info.annotation
    return list(_fields_of(kind))


def _tagged(annotation: Any, tag: str | int) -> Any:
    """The alternative of a union that has a tag."""
    if any(
        isinstance(said, Tag) and said.tag == tag
        for said in getattr(annotation, "__metadata__", ())
    ):
        return annotation
    found = (_tagged(part, tag) for part in getattr(annotation, "__args__", ()))
    return next((part for part in found if part is not None), None)


def _fields_of(annotation: Any) -> Mapping[str, FieldInfo]:
    """The fields of the first model that a type is made of."""
    model = _model_in(annotation)
    return {} if model is None else model.model_fields


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
