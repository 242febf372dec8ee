"""Services of Roblox' world: what they do, and what they refuse as the engine does."""

from __future__ import annotations

import pytest

from eval.domains.roblox.verify.verifier import World
from eval.records import Outcome
from tests.support.luau_programs import assert_errors, assert_prints, judged

# name -> program, its lines
PROGRAMS: dict[str, tuple[str, list[str]]] = {
    "json is written and read": (
        r"""
        local http = game:GetService("HttpService")
        print(http:JSONEncode({ 1, "a\n\"", true }), http:JSONEncode({}), http:JSONEncode({ x = 0.1 }))
        print(http:JSONEncode({ f = print }), http:JSONEncode({ 1, nil, 3 }))
        local back = http:JSONDecode('{"a": [1, {"b": null}], "c": "\\u00e9\\ud83d\\ude00", "d": -1.5e3, "e": true}')
        print(back.a[2].b, back.c, back.d, back.e, #back.a)
        """,
        ['[1,"a\\n\\"",true] [] {"x":0.1}', '{"f":null} [1,null,3]', "nil é😀 -1500 true 2"],
    ),
    "identifiers and addresses": (
        """
        local http = game:GetService("HttpService")
        local id = http:GenerateGUID(false)
        print(#http:GenerateGUID(), string.match(id, "^%x+-%x+-4%x+-%x+-%x+$") == id, http:GenerateGUID(false) ~= id)
        print(http:UrlEncode("a b&c/é"))
        """,
        ["38 true true", "a%20b%26c%2F%C3%A9"],
    ),
    "tags come and go with signals": (
        """
        local tags = game:GetService("CollectionService")
        tags:GetInstanceAddedSignal("Lava"):Connect(function(part) print("added", part) end)
        tags:GetInstanceRemovedSignal("Lava"):Connect(function(part) print("removed", part) end)
        local part = Instance.new("Part")
        tags:AddTag(part, "Lava")
        print(#tags:GetTagged("Lava"), tags:HasTag(part, "Lava"))
        part.Parent = workspace
        task.wait()
        print(#tags:GetTagged("Lava"), table.concat(tags:GetTags(part), ","), table.concat(tags:GetAllTags(), ","))
        part:Destroy()
        task.wait()
        """,
        ["0 true", "added Part", "1 Lava Lava", "removed Part"],
    ),
    "thumbnails have the type and size that were asked for": (
        """
        local players = game:GetService("Players")
        print(players:GetUserThumbnailAsync(156, Enum.ThumbnailType.HeadShot, Enum.ThumbnailSize.Size420x420))
        print(players:GetUserThumbnailAsync(7, "AvatarThumbnail", "Size60x60"))
        print((players:GetUserThumbnailAsync(7, Enum.ThumbnailType.AvatarBust, Enum.ThumbnailSize.Size48x48)))
        """,
        [
            "rbxthumb://type=AvatarHeadShot&id=156&w=420&h=420 true",
            "rbxthumb://type=Avatar&id=7&w=60&h=60 true",
            "rbxthumb://type=AvatarBust&id=7&w=48&h=48",
        ],
    ),
    "debris goes when its time is over": (
        """
        local part = Instance.new("Part")
        part.Parent = workspace
        game:GetService("Debris"):AddItem(part, 2)
        task.wait(1.9)
        print(part.Parent)
        task.wait(0.2)
        print(part.Parent)
        """,
        ["Workspace", "nil"],
    ),
    "messages reach who subscribed": (
        """
        local messages = game:GetService("MessagingService")
        local connection = messages:SubscribeAsync("News", function(message) print(message.Data.x, type(message.Sent)) end)
        messages:PublishAsync("News", { x = 5 })
        connection:Disconnect()
        messages:PublishAsync("News", { x = 6 })
        """,
        ["5 number"],
    ),
    "collision groups": (
        """
        local physics = game:GetService("PhysicsService")
        physics:RegisterCollisionGroup("Ghosts")
        physics:CollisionGroupSetCollidable("Ghosts", "Default", false)
        print(physics:CollisionGroupsAreCollidable("Default", "Ghosts"), physics:CollisionGroupsAreCollidable("Ghosts", "Ghosts"))
        physics:RenameCollisionGroup("Ghosts", "Spirits")
        print(physics:CollisionGroupsAreCollidable("Default", "Spirits"), physics:IsCollisionGroupRegistered("Ghosts"))
        """,
        ["false true", "false false"],
    ),
    "the hour of the day in three spellings": (
        """
        local lighting = game:GetService("Lighting")
        lighting:GetPropertyChangedSignal("ClockTime"):Connect(function() print("changed") end)
        lighting.ClockTime = 6.5
        print(lighting.TimeOfDay, lighting:GetMinutesAfterMidnight())
        lighting.TimeOfDay = "18:30:00"
        task.wait()
        print(lighting.ClockTime)
        """,
        ["06:30:00 390", "changed", "changed", "18.5"],
    ),
    "a sound ends after a second": (
        """
        local sound = Instance.new("Sound")
        sound.Ended:Connect(function() print("ended", sound.IsPlaying) end)
        sound:Play()
        print(sound.IsPlaying)
        task.wait(0.5)
        sound:Pause()
        task.wait(1)
        sound:Resume()
        task.wait(0.6)
        """,
        ["true", "ended false"],
    ),
    "badges are awarded once": (
        """
        local badges = game:GetService("BadgeService")
        print(badges:AwardBadgeAsync(1, 2), badges:AwardBadgeAsync(1, 2), badges:UserHasBadgeAsync(1, 2), badges:UserHasBadgeAsync(2, 2))
        """,
        ["true false true false"],
    ),
    "memory stores expire": (
        """
        local memory = game:GetService("MemoryStoreService")
        local map = memory:GetSortedMap("Scores")
        map:SetAsync("a", 10, 5, 3)
        map:SetAsync("b", 20, 60, 1)
        for _, item in map:GetRangeAsync(Enum.SortDirection.Ascending, 10) do print(item.key, item.value, item.sortKey) end
        print(map:UpdateAsync("b", function(old) return old + 1 end, 60))
        task.wait(6)
        print((map:GetAsync("a")), (map:GetAsync("b")))
        """,
        ["b 20 1", "a 10 3", "21 nil", "nil 21"],
    ),
    "queues hide what is being read": (
        """
        local queue = game:GetService("MemoryStoreService"):GetQueue("Jobs", 10)
        queue:AddAsync("later", 60)
        queue:AddAsync("first", 60, 5)
        local items, id = queue:ReadAsync(1)
        print(items[1], #queue:ReadAsync(2, false, 0))
        queue:RemoveAsync(id)
        task.wait(11)
        print(table.concat(queue:ReadAsync(5, false, 0), ","))
        """,
        ["first 1", "later"],
    ),
    "channels tell what is said in them": (
        """
        local channel = game:GetService("TextChatService").TextChannels.RBXGeneral
        channel.MessageReceived:Connect(function(message) print(message.Text, message.TextSource) end)
        channel:DisplaySystemMessage("Welcome")
        task.wait()
        """,
        ["Welcome nil"],
    ),
    "a camera's rays go through its screen": (
        """
        local camera = workspace.CurrentCamera
        camera.CFrame = CFrame.new(0, 0, 10)
        print(camera:ViewportPointToRay(640, 360).Direction:FuzzyEq(-Vector3.zAxis))
        local point, visible = camera:WorldToViewportPoint(Vector3.zero)
        print(point, visible, select(2, camera:WorldToViewportPoint(Vector3.new(0, 0, 20))))
        """,
        ["true", "640, 360, 10 true false"],
    ),
}

REFUSED = {
    'game:GetService("HttpService"):JSONDecode("{bad")': "Can't parse JSON",
    "local t = {} t.t = t game:GetService('HttpService'):JSONEncode(t)": "tables cannot be cyclic",
    'game:GetService("PhysicsService"):CollisionGroupSetCollidable("A", "Default", false)': (
        "Collision group A is not registered"
    ),
    'game:GetService("MessagingService"):PublishAsync("t", string.rep("x", 2000))': (
        "MessagingService: message is too large. Maximum size is 1024 bytes"
    ),
    'game:GetService("TeleportService"):TeleportAsync(1, {})': (
        "TeleportService:TeleportAsync must be passed at least one player"
    ),
    'game:GetService("TweenService"):Create(workspace.Part, TweenInfo.new(1), { Foo = 1 })': (
        "TweenService:Create no property named 'Foo' for object 'Part'"
    ),
    'game:GetService("TweenService"):Create(workspace.Part, TweenInfo.new(1), { Size = 1 })': (
        "TweenService:Create property named 'Size' cannot be tweened due to type mismatch "
        "(property is a 'Vector3', but given type is 'number')"
    ),
    'game:GetService("Context" .. "ActionService"):BindAction("a", print, false, Enum.KeyCode.E)': (
        "ContextActionService can only be used from local scripts"
    ),
}

NEEDS_STUDIO = {
    'game:GetService("HttpService"):GetAsync("https://example.com")': "HttpService:GetAsync needs Roblox Studio",
    'game:GetService("PathfindingService"):CreatePath():ComputeAsync(Vector3.zero, Vector3.one)': (
        "Path:ComputeAsync needs Roblox Studio"
    ),
    "workspace:Spherecast(Vector3.zero, 1, Vector3.xAxis)": "WorldRoot:Spherecast needs Roblox Studio",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_service_does_what_the_engine_documents(world: World, name: str) -> None:
    code, lines = PROGRAMS[name]
    assert_prints(world, code, lines)


def test_what_services_refuse(world: World) -> None:
    prepared = {f'Instance.new("Part", workspace) {statement}': text for statement, text in REFUSED.items()}
    assert_errors(world, prepared)


@pytest.mark.parametrize("code", NEEDS_STUDIO)
def test_what_cannot_be_modelled_is_said_and_not_guessed(world: World, code: str) -> None:
    """Not even a pcall around it turns the outcome into a pass."""
    verdict = judged(world, f"pcall(function() {code} end)", "expect(true)")
    assert verdict.outcome is Outcome.NEEDS_STUDIO
    assert NEEDS_STUDIO[code].split(" needs")[0] in verdict.detail


def test_input_reaches_bound_actions_before_everyone_else(world: World) -> None:
    """An action that sinks a key leaves it to others as processed; one that passes does not."""
    code = """
    local actions = game:GetService("ContextActionService")
    local input = game:GetService("UserInputService")
    local function sink(name, state, object) print(name, state.Name, object.KeyCode.Name) end
    local function pass(name) print(name) return Enum.ContextActionResult.Pass end
    actions:BindAction("Open", sink, false, Enum.KeyCode.E)
    actions:BindAction("Look", pass, false, Enum.KeyCode.E, Enum.KeyCode.Q)
    input.InputBegan:Connect(function(object, processed) print(object.KeyCode.Name, processed) end)
    """
    check = """
    keyDown("E")
    keyDown("Q")
    equal(prints(), { "Look", "Open Begin E", "E true", "Look", "Q false" }, "output")
    """
    verdict = judged(world, code, check)
    assert verdict.outcome is Outcome.PASSED, verdict.detail
