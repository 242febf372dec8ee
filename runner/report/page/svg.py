"""SVG elements as text: every attribute and every text is escaped here, so that no caller can forget it."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape


def element(name: str, *children: Markup | str, **attributes: object) -> Markup:
    """Return ``<name ...>children</name>``; ``stroke_width`` becomes stroke-width, ``class_`` class."""
    parts = [name]
    for key, value in attributes.items():
        if value is not None:
            parts.append(f'{key.strip("_").replace("_", "-")}="{escape(_number(value))}"')
    inside = Markup("").join(children)
    return Markup(f"<{' '.join(parts)}>{inside}</{name}>")


def picture(label: str, height: float, *children: Markup, class_: str = "picture", role: str = "img") -> Markup:
    """Return an SVG as wide as its place and ``height`` px high; ``label`` is what a screen reader says.

    An image holds nothing that can be followed: with links inside, ``role`` is "group".

    Inside, x is in percent of the width and y in px: text keeps its size on a phone.
    """
    return element("svg", *children, role=role, aria_label=label, width="100%", height=height, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """Return a line; x in percent, y in px."""
    return element("line", x1=f"{x1:.2f}%", y1=y1, x2=f"{x2:.2f}%", y2=y2, class_=class_)


def dot(x: float, y: float, radius: float, class_: str) -> Markup:
    """Return a filled circle; x in percent."""
    return element("circle", cx=f"{x:.2f}%", cy=y, r=radius, class_=class_)


def bar(x: float, y: float, width: float, height: float, class_: str, title: str = "") -> Markup:
    """Return a rectangle; x and width in percent."""
    hint = [element("title", title)] if title else []
    return element("rect", *hint, x=f"{x:.2f}%", y=y, width=f"{width:.2f}%", height=height, class_=class_)


def text(x: float, y: float, content: str, class_: str = "", anchor: str = "middle", dx: float = 0) -> Markup:
    """Return text; x in percent, ``dx`` px from there. Near an edge it is anchored there, so that it is not cut off."""
    if anchor == "middle" and len(content) > 2:
        anchor = "start" if x < 6 else "end" if x > 94 else "middle"
    return element("text", content, x=f"{x:.2f}%", y=y, dx=dx or None, text_anchor=anchor, class_=class_)


def stretched(width: float, height: float, *children: Markup) -> Markup:
    """Return a picture in units of its own that stretches with the page in x alone; strokes keep their width."""
    return element(
        "svg", *children, x=0, y=0, width="100%", height=height, viewBox=f"0 0 {width:g} {height:g}",
        preserveAspectRatio="none",
    )  # fmt: skip


def path(points: Sequence[tuple[float, float]], class_: str, closed: bool = False) -> Markup:
    """Return a line through ``points``, or the area inside them."""
    told = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return element("polygon" if closed else "polyline", points=told, class_=class_, vector_effect="non-scaling-stroke")


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
