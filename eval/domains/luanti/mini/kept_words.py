"""The words that carry the meaning of a Luanti wording; loosening exchanges all others for words nobody knows."""

from __future__ import annotations

from eval.dealing.words import words

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
