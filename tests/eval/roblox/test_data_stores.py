"""Data stores keep, refuse, fail and throttle as the engine documents it."""

from __future__ import annotations

from eval.domains.roblox.verify.verifier import World
from eval.records import Outcome
from tests.support.luau_programs import assert_errors, assert_prints, judged

OPEN = 'local store = game:GetService("DataStoreService"):GetDataStore("Coins")\n'


def test_values_come_back_as_copies(world: World) -> None:
    code = (
        OPEN
        + """
    local value = { coins = 1, list = { 1, 2 } }
    store:SetAsync("a", value, { 7 })
    value.coins = 99
    local kept, info = store:GetAsync("a")
    print(kept.coins, #kept.list, info:GetUserIds()[1], info.CreatedTime <= info.UpdatedTime)
    print(store:GetAsync("nothing"))
    print(store:IncrementAsync("n", 5), store:IncrementAsync("n"))
    print((store:RemoveAsync("n")), (store:GetAsync("n")))
    """
    )
    assert_prints(
        world,
        code,
        [
            "1 2 7 true",
            "nil nil",
            "5 6 DataStoreKeyInfo",
            "6 nil",
        ],
    )


def test_an_update_gets_the_old_value_and_nil_cancels_it(world: World) -> None:
    code = (
        OPEN
        + """
    print((store:UpdateAsync("a", function(old) return (old or 0) + 1 end)))
    print((store:UpdateAsync("a", function() return nil end)), (store:GetAsync("a")))
    """
    )
    assert_prints(world, code, ["1", "nil 1"])


REFUSED = {
    'store:SetAsync("", 1)': "101: Key name can't be empty.",
    'store:SetAsync(string.rep("k", 51), 1)': "102: Key name exceeds the 50 character limit.",
    'store:SetAsync("k", print)': (
        "104: Cannot store function in data store. Data stores can only accept valid UTF-8 characters."
    ),
    'store:SetAsync("k", { 1, 2, x = 3 })': (
        "104: Cannot store mixed table in data store. Data stores can only accept valid UTF-8 characters."
    ),
    'store:SetAsync("k", { part = workspace })': (
        "104: Cannot store Instance in data store. Data stores can only accept valid UTF-8 characters."
    ),
    'store:SetAsync("k", "\\255")': (
        "104: Cannot store string in data store. Data stores can only accept valid UTF-8 characters."
    ),
    'store:SetAsync("k")': "Argument 2 missing or nil",
    'store:SetAsync("k", string.rep("x", 5000000))': "105: Serialized value exceeds 4194304 byte limit.",
    'store:UpdateAsync("k", function() task.wait() return 1 end)': "Callbacks cannot yield",
    'top:SetAsync("k", 1.5)': "103: Cannot store non-integer values in OrderedDataStore",
    'game:GetService("DataStoreService"):GetDataStore("")': "Data store name can't be empty.",
}


def test_what_a_store_refuses(world: World) -> None:
    prepare = OPEN.strip() + ' local top = game:GetService("DataStoreService"):GetOrderedDataStore("Top")'
    assert_errors(world, {f"{prepare} {statement}": text for statement, text in REFUSED.items()})


def test_pages_of_an_ordered_store(world: World) -> None:
    code = """
    local top = game:GetService("DataStoreService"):GetOrderedDataStore("Top")
    for name, score in { a = 5, b = 9, c = 1, d = 7 } do top:SetAsync(name, score) end
    local pages = top:GetSortedAsync(false, 2, 2)
    repeat
        local shown = {}
        for _, entry in pages:GetCurrentPage() do table.insert(shown, `{entry.key}={entry.value}`) end
        print(table.concat(shown, " "), pages.IsFinished)
        local last = pages.IsFinished
        if not last then pages:AdvanceToNextPageAsync() end
    until last
    print(pcall(function() pages:AdvanceToNextPageAsync() end) == false)
    """
    assert_prints(world, code, ["b=9 d=7 false", "a=5 true", "true"])


def test_a_failing_store_raises_as_often_as_a_check_wants(world: World) -> None:
    code = (
        OPEN
        + """
    game.ReplicatedStorage:SetAttribute("Ready", true)
    task.wait(1)
    for attempt = 1, 4 do
        local ok, problem = pcall(function() return store:SetAsync("a", attempt) end)
        print(attempt, ok, if ok then "" else string.match(problem, "%d%d%d: [%w ]+"))
    end
    """
    )
    check = """
    failData(2, "SetAsync")
    step(2)
    equal(prints(), {
        "1 false 502: API Services rejected request with error", "2 false 502: API Services rejected request with error",
        "3 true ", "4 true ",
    }, "output")
    """
    verdict = judged(world, code, check)
    assert verdict.outcome is Outcome.PASSED, verdict.detail


def test_requests_over_the_budget_wait(world: World) -> None:
    """Sixty reads a minute without players: more of them wait for the budget, and one sees it beside the verdict."""
    code = (
        OPEN
        + """
    local service = game:GetService("DataStoreService")
    print(service:GetRequestBudgetForRequestType(Enum.DataStoreRequestType.GetAsync))
    for at = 1, 62 do store:GetAsync(`key{at}`) end
    print(service:GetRequestBudgetForRequestType(Enum.DataStoreRequestType.GetAsync), time() >= 1)
    """
    )
    verdict = judged(world, code, 'step(60) equal(prints(), { "60", "0 true" }, "output")')
    assert verdict.outcome is Outcome.PASSED, verdict.detail
    assert any("throttled" in finding for finding in verdict.findings)


def test_clients_have_no_data_stores(world: World) -> None:
    code = """
    local player = game:GetService("Players").LocalPlayer
    print(pcall(function() game:GetService("DataStoreService"):GetDataStore("Coins") end) == false, player ~= nil)
    """
    assert_prints(world, code, ["true true"])


def test_metatables_of_a_program_change_nothing_of_what_is_kept(world: World) -> None:
    """Values are read raw: lengths, members and orders that a metatable invents are not part of them."""
    code = (
        OPEN
        + """
    local lies = { __len = function() return 1e9 end, __iter = function() error("iterated") end, __index = function() return 1 end }
    store:SetAsync("a", setmetatable({ coins = 3 }, lies))
    print(game:GetService("HttpService"):JSONEncode((store:GetAsync("a"))))
    print(game:GetService("HttpService"):JSONEncode(setmetatable({ 1, 2 }, lies)))
    """
    )
    assert_prints(world, code, ['{"coins":3}', "[1,2]"])


def test_an_update_that_yields_is_ended(world: World) -> None:
    code = (
        OPEN
        + 'print((pcall(function() store:UpdateAsync("a", function() task.wait(1) print("late") return 1 end) end)))'
    )
    assert_prints(world, code, ["false"])
