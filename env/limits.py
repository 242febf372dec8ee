"""The limits that a record's annotations name, checked where it is made by hand; a validator reads the same ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_type_hints

from annotated_types import BaseMetadata, Ge, Gt, Le, Lt, MinLen

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def beyond_limits(record: DataclassInstance) -> list[str]:
    """Return what is wrong with each field of a dataclass by its annotation, such as "k is 0, not at least 1"."""
    return [
        f"{name} is {getattr(record, name)!r}, not {words}"
        for name, hint in get_type_hints(type(record), include_extras=True).items()
        for limit in getattr(hint, "__metadata__", ())
        if (words := _exceeded(getattr(record, name), limit))
    ]


def _exceeded(value: Any, limit: BaseMetadata) -> str:
    """Return in words the limit that ``value`` exceeds; "" where it keeps to it."""
    match limit:
        case Ge(least):
            return "" if value >= least else f"at least {least:g}"
        case Gt(floor):
            return "" if value > floor else f"above {floor:g}"
        case Le(most):
            return "" if value <= most else f"at most {most:g}"
        case Lt(ceiling):
            return "" if value < ceiling else f"below {ceiling:g}"
        case MinLen(least):
            return "" if len(value) >= least else f"of at least {least} values"
    raise TypeError(f"{limit!r} is no limit that is known here")
