import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TesseraSpaces

// Pages are moved, and their bits counted, while others use them.
extension Scenario {
  static var moves: [Scenario] {
    [
      moveAndWrite, moveLargeAndWrite, moveTwice, moveAndUnmap, moveAndUnmapTarget, moveAndFork,
      faultAndMove, faultAndMoveHere, harvestAndWrite,
    ]
  }

  /// Two pages, of which the first has neither bit set.
  private static func withCleanPage(_ world: World) throws {
    try world.makeTwoPages()
    world.harvest(0)
  }

  /// A write that was done is seen in the dirty bit, wherever the page is by then.
  private static func findLostDirtyBit(at page: Int) -> (World) -> String? {
    { world in
      let hasWritten = world.result(of: 1, at: 0) == 1
      return hasWritten && !world.isDirty(page) ? "a dirty bit is lost" : nil
    }
  }

  private static var moveAndWrite: Scenario {
    Scenario(
      name: "move-write", about: "a page is moved while it is written",
      prepare: withCleanPage,
      body: { world, number in
        if number == 1 { return world.write(0) }
        world.move(0, to: 2)
        world.expectNone(at: 0)
      }, check: findLostDirtyBit(at: 2))
  }

  private static var moveLargeAndWrite: Scenario {
    Scenario(
      name: "move-large-write", about: "a large page is moved while it is written",
      prepare: { world in
        world.spaces[0] = try VmSpace()
        world.mapLargeDevice(at: World.pages[3])
        world.harvest(3)
        world.activateEverywhere()
      },
      body: { world, number in
        if number == 1 { return world.write(3) }
        world.move(3, count: 512, to: 5)
        world.expectNone(at: 3)
      }, check: findLostDirtyBit(at: 5))
  }

  /// Only one of them finds the page.
  private static var moveTwice: Scenario {
    Scenario(
      name: "move-move", about: "two move one page to different places",
      prepare: { world in try world.makeTwoPages() },
      body: { world, number in
        world.move(0, to: number == 0 ? 2 : 3)
        world.expectNone(at: 0)
      })
  }

  private static var moveAndUnmap: Scenario {
    Scenario(
      name: "move-unmap", about: "a page is moved while it is unmapped",
      hasStoreBuffers: true,
      prepare: { world in try world.makeTwoPages() },
      body: { world, number in
        if number == 0 { world.move(0, to: 2) } else { world.unmap(0, existing: true) }
        world.expectNone(at: 0)
      })
  }

  /// The table that the page comes to is removed when it is empty.
  private static var moveAndUnmapTarget: Scenario {
    Scenario(
      name: "move-unmap-target", about: "a page is unmapped at the place that it is moved to",
      prepare: { world in
        world.spaces[0] = try VmSpace()
        world.map(0)
        world.map(1)
      },
      body: { world, number in
        if number == 0 { world.move(0, to: 3) } else { world.unmap(3) }
      })
  }

  /// The child has the page at one of its places.
  private static var moveAndFork: Scenario {
    Scenario(
      name: "move-fork", about: "a page is moved while its space is forked",
      prepare: { world in
        try world.makeTwoPages()
        world.fillCaches()
      },
      body: { world, number in
        if number == 0 { world.move(0, to: 2) } else { world.fork(0, to: 2) }
      })
  }

  /// What was written comes along, and does not come to the other space.
  private static var faultAndMove: Scenario {
    Scenario(
      name: "fault-move", about: "a page that a fork has shared is written, and moved",
      prepare: { world in
        try world.makeTwoPages()
        world.fork(0, to: 1)
        world.fillCaches()
      },
      body: { world, number in
        if number == 1 {
          world.move(0, to: 2)
          return world.expectNone(at: 0)
        }
        world.resolve(.write, 0)
        world.store(0)
      },
      check: { world in
        let stored = world.result(of: 0, fromEnd: 1)
        guard world.contents(of: 2) == [1, stored, 0] else { return "the write is lost" }
        return world.contents(in: 1) == [1, 0, 0] ? nil : "a write came to the other space"
      })
  }

  /// The page that appears when it is used is used where it is not yet. Its table there is missing.
  private static var faultAndMoveHere: Scenario {
    Scenario(
      name: "fault-move-target", about: "a page is used at the place that it is moved to",
      prepare: { world in
        world.spaces[0] = try VmSpace()
        world.map(1)
        world.setDemandZero(0)
        world.activateEverywhere()
        world.fillCaches()
      },
      body: { world, number in
        if number == 1 { return world.move(0, to: 3) }
        world.resolve(.write, 3)
        world.store(3)
      },
      check: { world in
        if world.result(of: 0, fromEnd: 1) == 1 {
          return world.contents(of: 3) == [0, 1, 0] ? nil : "the write is lost"
        }
        return world.contents(of: 3) == nil ? nil : "a denied access has made the page appear"
      })
  }

  /// A bit that is set meanwhile is counted, or stays. Both may be counted for one write, since
  /// they are cleared one after the other.
  private static var harvestAndWrite: Scenario {
    Scenario(
      name: "harvest-write", about: "the bits of a page are counted while it is written",
      isLinear: false,
      prepare: withCleanPage,
      body: { world, number in
        if number == 1 { return world.write(0) }
        world.harvest(0)
      },
      check: { world in
        let hasWritten = world.result(of: 1, at: 0) == 1
        let isCounted = world.result(of: 0, fromEnd: 1) >= 2
        return hasWritten == (isCounted || world.isDirty(0)) ? nil : "a dirty bit is lost"
      })
  }
}
