"""Four Luanti tasks to begin a file with: a node, a function, a repair by a diff, a call from its documentation."""

TASKS = """\
  - id: garden.scaffold.lamp
    family: scaffold
    cluster: garden.lamps
    instruction: >-
      Register a node "garden:lamp" with the texture garden_lamp.png. It glows at light level 9 and is in the group
      cracky 2.
    reference: |
      core.register_node("garden:lamp", {
        description = "Lamp",
        tiles = {"garden_lamp.png"},
        paramtype = "light",
        light_source = 9,
        groups = {cracky = 2},
      })
    checks:
      - name: it glows
        lua: equal(node("garden:lamp").light_source, 9, "light_source")
      - name: texture and group
        lua: |
          local def = node("garden:lamp")
          equal(def.tiles, {"garden_lamp.png"}, "tiles")
          equal(def.groups.cracky, 2, "cracky")
    near_misses:
      - why: it glows at another level
        answer: |
          core.register_node("garden:lamp", {
            tiles = {"garden_lamp.png"},
            light_source = 14,
            groups = {cracky = 2},
          })
      - why: the group is misspelt
        answer: |
          core.register_node("garden:lamp", {
            tiles = {"garden_lamp.png"},
            light_source = 9,
            groups = {crakcy = 2},
          })

  - id: garden.scaffold.total
    family: scaffold
    cluster: garden.sums
    instruction: >-
      Write garden.total(beds): beds is a list of tables with a number apples, which may be missing. It returns the sum
      of all apples, 0 for an empty list.
    reference: |
      garden = {}

      function garden.total(beds)
        local sum = 0
        for _, bed in ipairs(beds) do
          sum = sum + (bed.apples or 0)
        end
        return sum
      end
    checks:
      - name: sums
        lua: |
          local total = global("garden").total
          equal(run(total, {{apples = 2}, {apples = 5}}), 7, "two beds")
          equal(run(total, {}), 0, "no bed")
      - name: a bed without apples
        lua: equal(run(global("garden").total, {{apples = 3}, {}, {apples = 1}}), 4, "sum")
    near_misses:
      - why: it counts the beds
        answer: |
          garden = {}
          function garden.total(beds)
            return #beds
          end
      - why: a bed without apples is an error
        answer: |
          garden = {}
          function garden.total(beds)
            local sum = 0
            for _, bed in ipairs(beds) do
              sum = sum + bed.apples
            end
            return sum
          end

  - id: garden.repair.fence
    family: repair
    cluster: garden.fences
    instruction: The fence should be walkable and in the group choppy 2, but neither is so. Fix it with a diff.
    input: |
      core.register_node("garden:fence", {
        tiles = {"garden_fence.png"},
        walkable = false,
        groups = {snappy = 2},
      })
    reference: |
      --- init.lua
      +++ init.lua
      @@ -1,5 +1,5 @@
       core.register_node("garden:fence", {
         tiles = {"garden_fence.png"},
      -  walkable = false,
      -  groups = {snappy = 2},
      +  walkable = true,
      +  groups = {choppy = 2},
       })
    checks:
      - name: walkable
        lua: expect(node("garden:fence").walkable ~= false, "walkable")
      - name: choppy, no longer snappy
        lua: |
          local groups = node("garden:fence").groups
          equal(groups.choppy, 2, "choppy")
          equal(groups.snappy, nil, "snappy")
    near_misses:
      - why: the old group stays
        answer: |
          --- init.lua
          +++ init.lua
          @@ -1,5 +1,5 @@
           core.register_node("garden:fence", {
             tiles = {"garden_fence.png"},
          -  walkable = false,
          -  groups = {snappy = 2},
          +  walkable = true,
          +  groups = {snappy = 2, choppy = 2},
           })
      - why: players still walk through
        answer: |
          --- init.lua
          +++ init.lua
          @@ -1,5 +1,5 @@
           core.register_node("garden:fence", {
             tiles = {"garden_fence.png"},
             walkable = false,
          -  groups = {snappy = 2},
          +  groups = {choppy = 2},
           })

  - id: garden.doc.jam
    family: doc
    cluster: garden.recipes
    instruction: Let two garden:apple side by side become one garden:jam, with the function described below.
    input: |
      core.register_craft(recipe): registers a recipe.
        output = "mod:item"                what it gives; a count may follow: "mod:item 4"
        recipe = {{"a", "b"}, {"c", "d"}}  the rows of the grid, from the top
    reference: |
      core.register_craft({
        output = "garden:jam",
        recipe = {{"garden:apple", "garden:apple"}},
      })
    checks:
      - name: one jam
        lua: equal(stack(craft("garden:jam").output):get_count(), 1, "jams")
      - name: of two apples in a row
        lua: equal(craft("garden:jam").recipe, {{"garden:apple", "garden:apple"}}, "recipe")
    near_misses:
      - why: the apples stand one above the other
        answer: |
          core.register_craft({
            output = "garden:jam",
            recipe = {{"garden:apple"}, {"garden:apple"}},
          })
      - why: it gives two
        answer: |
          core.register_craft({
            output = "garden:jam 2",
            recipe = {{"garden:apple", "garden:apple"}},
          })
"""
