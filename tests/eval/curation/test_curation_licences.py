"""Which set a licence is in, and which licence a text is."""

from __future__ import annotations

import pytest

from eval.curation.licences.dep5 import expression_of, paragraph_of, read_copyright
from eval.curation.licences.expressions import spdx_of, terms_of
from eval.curation.licences.texts import header_of, holders_in, is_licence_file, licence_in

pytest.importorskip("license_expression")
LICENSES = dict(pytest.importorskip("identify.vendor.licenses").LICENSES)


@pytest.mark.parametrize(
    ("expression", "terms"),
    [
        ("MIT", "commercial"),
        ("Zlib AND CC0-1.0", "commercial"),
        ("GPL-3.0-or-later", "copyleft"),
        ("LGPL-2.1-only", "copyleft"),
        ("MIT AND GPL-2.0-only", "copyleft"),
        ("MIT OR GPL-2.0-only", "commercial"),
        ("(MIT OR GPL-2.0-only) AND MPL-2.0", "copyleft"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "copyleft"),
        ("CC-BY-NC-4.0", "unknown"),
        ("My-Own-Licence", "unknown"),
        ("MIT AND", "unknown"),
        ("", "unknown"),
    ],
)
def test_of_alternatives_the_freest_counts_and_of_parts_the_strictest(expression: str, terms: str) -> None:
    assert terms_of(expression)[0] == terms


def test_what_is_wrong_with_an_expression_is_said() -> None:
    assert terms_of("My-Own-Licence")[1] == "not in the licence index: My-Own-Licence"
    assert terms_of("MIT AND")[1] == '"MIT AND" is no SPDX expression'
    assert terms_of("MIT")[1] == ""


@pytest.mark.parametrize(
    ("name", "spdx"),
    [
        ("Expat", "MIT"),
        ("GPL-3+", "GPL-3.0-or-later"),
        ("LGPL-2.1", "LGPL-2.1-only"),
        ("AGPLv3", "AGPL-3.0-only"),
        ("zlib", "zlib"),
        ("MIT", "MIT"),
    ],
)
def test_short_names_of_debian_and_contentdb_are_spelt_as_spdx_spells_them(name: str, spdx: str) -> None:
    assert spdx_of(name) == spdx


@pytest.mark.parametrize("name", ["MIT", "Apache-2.0", "GPL-3.0", "LGPL-2.1", "Zlib", "BSD-3-Clause"])
def test_a_licence_s_own_text_is_recognised_and_half_of_it_is_not(name: str) -> None:
    text = LICENSES[name]
    assert licence_in(text)[0] == name
    assert licence_in(text[: len(text) // 2])[0] == "", "two-sided: a part of a licence is not that licence"
    assert licence_in(f"{text}\n{LICENSES['GPL-2.0']}")[0] != name, "nor is it, with another one behind it"


def test_who_holds_the_copyright_does_not_hide_a_licence() -> None:
    text = f"The MIT License (MIT)\n\nCopyright (c) 2019-2024 Ann Author, Bob Builder and others\n{LICENSES['MIT']}"
    assert licence_in(text)[0] == "MIT"
    assert holders_in(text)[0] == "Copyright (c) 2019-2024 Ann Author, Bob Builder and others"
    assert licence_in("All rights reserved.")[0] == ""


def test_a_header_counts_in_the_first_lines_alone() -> None:
    assert header_of("--[[\n  SPDX-License-Identifier: MIT OR Apache-2.0 ]]\nx = 1") == ("MIT OR Apache-2.0", 2)
    assert header_of("x = 1\n" * 60 + "-- SPDX-License-Identifier: MIT") == ("", 0)
    assert is_licence_file("a/LICENSE.txt")
    assert is_licence_file("COPYING.LESSER")
    assert not is_licence_file("a/license.lua")


def test_the_last_paragraph_that_matches_a_file_counts_and_a_star_matches_slashes() -> None:
    paragraphs = read_copyright(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"
        "Files: *\nCopyright: Ann\nLicense: GPL-2+ and Expat\n\nFiles: sounds/* a?.lua\nCopyright: Bob\nLicense: CC0\n"
    )
    assert [one.line for one in paragraphs] == [3, 7]
    found = {name: paragraph_of(paragraphs, name) for name in ("deep/x.lua", "sounds/a/b.ogg", "ab.lua", "abc.lua")}
    assert {name: one.licence if one else "" for name, one in found.items()} == {
        "deep/x.lua": "GPL-2.0-or-later AND MIT",
        "sounds/a/b.ogg": "CC0-1.0",
        "ab.lua": "CC0-1.0",
        "abc.lua": "GPL-2.0-or-later AND MIT",
    }
    assert read_copyright("This package was made by hand.") == ()
    assert expression_of("GPL-3+ or Apache-2.0\n text") == "GPL-3.0-or-later OR Apache-2.0"
