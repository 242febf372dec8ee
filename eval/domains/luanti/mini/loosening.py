"""Instructions with strange words: what keeps a model from learning a few hundred sentences by heart."""

from __future__ import annotations

import random

from eval.domains.luanti.mini.pools import spliced_word
from eval.domains.luanti.mini.words import words

REPLACED_SHARE = 0.4
DROPPED_SHARE = 0.25

# Words that carry the meaning of a wording; all others may be exchanged for words nobody knows.
KEPT = frozenset(
    words(
        """
        a abm above active after alias all and answer answers as at be becomes below block brace bright burn burns
        burntime call callback chance chat closed comma command cook cooking cooks craft crafted crafting craftitem
        damage deals delay described description diff eaten eating edible end entity every everybody fault field
        fields fleshy food for from fuel function furnace game gives global glowing glows group groups heals health
        hp image in ingredient interval into inventory item its join joining joinplayer joins later level light
        limit list lua luanti max maximum message minus misspelt missing mob mod modifier must name named new node
        not number of off old on order output over picture places player players plus points prefix priv privilege
        put quoted quotes rating recipe replies reply restores returns row second seconds sends set shaped shapeless
        should singleplayer size source sprite stack stacks string sum table tells text texture textures tile tiles
        time timer times to tool top turns under unified waits weapon where which with without wrong x
        """
    )
)


def loosen(wording: str, stream: random.Random) -> str:
    """Return ``wording`` (choices made, slots unfilled) with some of its unimportant words dropped or made strange."""
    loosened = (_loosen_word(word, stream) for word in wording.split(" "))
    return " ".join(word for word in loosened if word)


def _loosen_word(word: str, stream: random.Random) -> str:
    bare = word.strip(".,;:?!()").lower()
    if not bare.isalpha() or bare in KEPT or stream.random() >= REPLACED_SHARE:
        return word
    if stream.random() < DROPPED_SHARE:
        return ""
    return " ".join(spliced_word(stream) for _ in range(stream.randint(1, 2)))
