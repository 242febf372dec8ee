"""Four Roblox tasks to begin a file with: a part, a module, a script to mend, and one to write anew."""

TASKS = """\
  - id: garden.coding.lamp
    family: coding
    cluster: garden.lamps
    instruction: >-
      Write a server script that puts an anchored Part named "Lamp" into workspace, at Position (0, 5, 0), with a
      PointLight in it whose Range is 24.
    reference: |
      local lamp = Instance.new("Part")
      lamp.Name = "Lamp"
      lamp.Position = Vector3.new(0, 5, 0)
      lamp.Anchored = true
      local light = Instance.new("PointLight")
      light.Range = 24
      light.Parent = lamp
      lamp.Parent = workspace
    checks:
      - name: where it is
        lua: |
          local lamp = get("Workspace/Lamp")
          equal(lamp.ClassName, "Part", "class")
          near(lamp.Position, Vector3.new(0, 5, 0), 0.001, "Position")
          equal(lamp.Anchored, true, "Anchored")
      - name: it shines
        lua: equal(get("Workspace/Lamp/PointLight").Range, 24, "Range")
    near_misses:
      - why: it falls
        answer: |
          local lamp = Instance.new("Part")
          lamp.Name = "Lamp"
          lamp.Position = Vector3.new(0, 5, 0)
          Instance.new("PointLight", lamp).Range = 24
          lamp.Parent = workspace
      - why: the light lies beside it
        answer: |
          local lamp = Instance.new("Part")
          lamp.Name = "Lamp"
          lamp.Position = Vector3.new(0, 5, 0)
          lamp.Anchored = true
          lamp.Parent = workspace
          Instance.new("PointLight", workspace).Range = 24

  - id: garden.coding.total
    family: coding
    cluster: garden.sums
    instruction: >-
      Write a ModuleScript that returns a table with a function total(beds). beds is a list of tables with a number
      apples, which may be missing. It returns the sum of all apples, 0 for an empty list.
    reference: |
      local Garden = {}

      function Garden.total(beds)
        local sum = 0
        for _, bed in beds do
          sum += bed.apples or 0
        end
        return sum
      end

      return Garden
    checks:
      - name: sums
        lua: |
          local total = module().total
          equal(total({ { apples = 2 }, { apples = 5 } }), 7, "two beds")
          equal(total({}), 0, "no bed")
      - name: a bed without apples
        lua: equal(module().total({ { apples = 3 }, {}, { apples = 1 } }), 4, "sum")
    near_misses:
      - why: it counts the beds
        answer: |
          local Garden = {}
          function Garden.total(beds)
            return #beds
          end
          return Garden
      - why: a bed without apples is an error
        answer: |
          local Garden = {}
          function Garden.total(beds)
            local sum = 0
            for _, bed in beds do
              sum += bed.apples
            end
            return sum
          end
          return Garden

  - id: garden.bugfix.fence
    family: bugfix
    cluster: garden.fences
    instruction: >-
      This script should make five anchored posts, Post1 to Post5, in workspace, four studs apart along x. It makes four
      of them, all in one place. Return the whole mended script.
    input: |
      for i = 1, 4 do
        local post = Instance.new("Part")
        post.Name = "Post" .. i
        post.Anchored = true
        post.Position = Vector3.new(4, 2, 0)
        post.Parent = workspace
      end
    reference: |
      for i = 1, 5 do
        local post = Instance.new("Part")
        post.Name = "Post" .. i
        post.Anchored = true
        post.Position = Vector3.new(4 * i, 2, 0)
        post.Parent = workspace
      end
    checks:
      - name: five posts
        lua: |
          for i = 1, 5 do
            equal(get("Workspace/Post" .. i).Anchored, true, "Anchored")
          end
      - name: four studs apart
        lua: |
          local first, last = get("Workspace/Post1"), get("Workspace/Post5")
          near(last.Position - first.Position, Vector3.new(16, 0, 0), 0.001, "distance")
    near_misses:
      - why: there are still four
        answer: |
          for i = 1, 4 do
            local post = Instance.new("Part")
            post.Name = "Post" .. i
            post.Anchored = true
            post.Position = Vector3.new(4 * i, 2, 0)
            post.Parent = workspace
          end
      - why: they stand in one place
        answer: |
          for i = 1, 5 do
            local post = Instance.new("Part")
            post.Name = "Post" .. i
            post.Anchored = true
            post.Position = Vector3.new(4, 2, 0)
            post.Parent = workspace
          end

  - id: garden.refactor.names
    family: refactor
    cluster: garden.labels
    instruction: >-
      Rewrite this module: label(kind, ripe) keeps its answers for the kinds that are there, and looks them up in one
      table instead of comparing. An unknown kind gives "?". Return the whole module.
    input: |
      local Labels = {}

      function Labels.label(kind, ripe)
        if kind == "apple" then
          return if ripe then "Red Apple" else "Green Apple"
        elseif kind == "berry" then
          return if ripe then "Blue Berry" else "Green Berry"
        end
      end

      return Labels
    reference: |
      local NAMES = {
        apple = { ripe = "Red Apple", unripe = "Green Apple" },
        berry = { ripe = "Blue Berry", unripe = "Green Berry" },
      }

      local Labels = {}

      function Labels.label(kind, ripe)
        local names = NAMES[kind]
        if not names then
          return "?"
        end
        return if ripe then names.ripe else names.unripe
      end

      return Labels
    checks:
      - name: known kinds
        lua: |
          local label = module().label
          equal(label("apple", true), "Red Apple", "ripe apple")
          equal(label("apple", false), "Green Apple", "unripe apple")
          equal(label("berry", true), "Blue Berry", "ripe berry")
          equal(label("berry", false), "Green Berry", "unripe berry")
      - name: an unknown kind
        lua: equal(module().label("plum", true), "?", "plum")
    near_misses:
      - why: an unknown kind gives nothing
        answer: |
          local NAMES = { apple = { "Red Apple", "Green Apple" }, berry = { "Blue Berry", "Green Berry" } }
          return {
            label = function(kind, ripe)
              local names = NAMES[kind]
              return names and names[if ripe then 1 else 2]
            end,
          }
      - why: ripe and unripe are exchanged
        answer: |
          local NAMES = { apple = { "Red Apple", "Green Apple" }, berry = { "Blue Berry", "Green Berry" } }
          return {
            label = function(kind, ripe)
              local names = NAMES[kind]
              return if names then names[if ripe then 2 else 1] else "?"
            end,
          }
"""
