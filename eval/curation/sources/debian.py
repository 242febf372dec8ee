"""Packages of Debian: code with the licences of ``/usr/share/doc/*/copyright``; read where they lie, never unpacked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from env.refusal import Refusal
from eval.curation.recipe import Source, Templates
from eval.curation.sources.found import Found
from eval.curation.sources.lua_code import rows_of
from eval.curation.sources.trees import TreeFile, read_tree
from eval.domains import Domain


def collect(name: str, source: Source, templates: Templates, domain: Domain) -> Iterator[Found]:
    """Yield the rows of the ``*.deb`` packages of a folder, or of one.

    Raises:
        Refusal: there is none, or one cannot be read.
    """
    path = Path(source.path)
    if path.is_dir() and not any(path.glob("*.deb")):
        raise Refusal(
            f"sources.{name}.path: {path} holds no *.deb package.",
            f"Fetch some: cd {path} && apt-get download minetest-mod-moreblocks minetest-mod-protector",
        )
    tree = (
        member
        for member in read_tree(path)
        # packages share folders by links, which say nothing
        if isinstance(member, TreeFile) or member.why != "a link"
    )
    yield from rows_of(tree, name, source, templates)
