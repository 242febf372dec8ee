"""The words that carry the meaning of a Roblox wording; loosening exchanges all others for words nobody knows."""

from __future__ import annotations

from eval.dealing.words import words

KEPT = frozenset(
    words(
        """
        a added after all alone an anchored and answer argument as assert asserts asset at attribute becomes before by
        call called cframe character characteradded characters client code collectionservice color colon connect
        connected count countdown counts created debris default delay deprecated destroy destroyed destroys diff dot
        down each end every everything fades fault field first folder for function game global handler has humanoid id
        if in instance intvalue is it its join joining joins later leaderboard leaderstats library local loop luau
        material method misspelt missing module modulescript must name named new not number numbervalue of off on one
        onserverevent onserverinvoke optional or other parameter parent part parts place player playeradded players
        position property put quoted rbxassetid refactor refuses rejects remote remoteevent remotefunction removes
        replaced replicatedstorage returns rgb roblox script second seconds sent server service set sets should size
        sound soundid starter strict string tag tagged task tells than the their then times to touch touched touches
        touching transparency tween tweenservice type typed types unified value version when where which with without
        workspace wrong x
        """
    )
)
