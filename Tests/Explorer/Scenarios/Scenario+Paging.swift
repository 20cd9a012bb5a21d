import SimulatedMachine
import TesseraFaults
import TesseraPageTables
import TesseraSpaces

// Pages that the reclaimer takes away, against all that uses them.
extension Scenario {
  static var paging: [Scenario] {
    [
      reclaimAndWrite, bringTwice, reclaimAndUnmap, reclaimAndDestroy, reclaimFileAndWrite,
      truncateAndRead, writeBackAndWrite, writeBackAndUnmap, writeBackAndDestroy,
      writeBackAndFinish,
    ]
  }

  private static func scenario(
    _ name: StaticString, _ about: StaticString, prepare: @escaping (World) throws -> Void,
    body: @escaping (World, Int) -> Void, check: @escaping (World) -> String?
  ) -> Scenario {
    Scenario(
      name: name, about: about, isLinear: false, isBrief: true,
      prepare: { world in
        try world.startPaging()
        try prepare(world)
        for number in 0..<2 {
          asProcessor(number) {
            world.allocateObject(9)
            world.freeObject(9)
          }
        }
        world.fillCaches()
      }, body: body, check: check)
  }

  /// An anonymous page that the first processor has written, on which both run.
  private static func anonymous(_ world: World) throws {
    world.setDemandZero(0)
    world.activateEverywhere()
    world.storeResolving(0)
    world.makeOld()
  }

  /// A page of an object that both share.
  private static func object(isFile: Bool) -> (World) throws -> Void {
    { world in
      try world.makeObject(isFile: isFile)
      world.mapObject()
      world.activateEverywhere()
      world.storeResolving(0)
      world.loadResolving(1, wordOf: 0)
      world.makeOld()
    }
  }

  private static func expect(
    _ expected: [UInt64]?, in space: Int = 0, of page: Int = 0, _ world: World
  ) -> String? {
    let found = world.words(of: page, in: space)
    return found == expected ? nil : "space \(space) has \(found ?? []), not \(expected ?? [])"
  }

  private static var reclaimAndWrite: Scenario {
    scenario(
      "reclaim-write", "a page is taken away while it is written", prepare: anonymous,
      body: { world, number in
        if number == 0 { world.reclaim() } else { world.storeResolving(0) }
      },
      check: { world in expect([0, 1, world.result(of: 1, fromEnd: 1) == 1 ? 2 : 0], world) })
  }

  private static var bringTwice: Scenario {
    scenario(
      "bring-bring", "two read a page that is in swap",
      prepare: { world in
        try anonymous(world)
        world.reclaim()
      },
      body: { world, _ in world.loadResolving(0, wordOf: 0) },
      check: { world in expect([0, 1, 0], world) })
  }

  private static var reclaimAndUnmap: Scenario {
    scenario(
      "reclaim-unmap", "a page is taken away while it is unmapped", prepare: anonymous,
      body: { world, number in
        if number == 0 { return world.reclaim() }
        world.unmap(0, existing: true)
        world.expectNone(at: 0)
      }, check: { world in expect(nil, world) })
  }

  private static var reclaimAndDestroy: Scenario {
    scenario(
      "reclaim-destroy", "a page is taken away while one of its two spaces is destroyed",
      prepare: { world in
        try anonymous(world)
        world.fork(0, to: 1)
        world.makeOld()
      },
      body: { world, number in
        if number == 0 { world.reclaim() } else { world.destroy(1) }
      }, check: { world in expect([0, 1, 0], world) })
  }
}

// Stores that finish later: see also `Scenario+Transfers.swift`.
extension Scenario {
  /// What is written before the second time is in the store after it.
  private static var writeBackAndFinish: Scenario {
    var all = scenario(
      "write-back-finish", "a page is written to a slow store while it is written",
      prepare: { world in
        try object(isFile: true)(world)
        world.makeStoresSlow()
      },
      body: { world, number in
        if number == 1 { return world.storeResolving(0) }
        world.synchronize(wordOf: 0)
        world.finishTransfers()
      },
      check: { world in
        world.synchronizeAll()
        let written: UInt64 = world.result(of: 1, fromEnd: 1) == 1 ? 2 : 0
        return world.storedWord(1) == 1 && world.storedWord(2) == written
          ? expect([100, 1, written], world) : "a write did not get to the store"
      })
    all.hasStoreBuffers = true
    return all
  }
}

// Pages of objects.
extension Scenario {
  /// What was written is in memory, or in the file.
  private static var reclaimFileAndWrite: Scenario {
    scenario(
      "reclaim-file-write", "a page of a file is taken away while it is written",
      prepare: object(isFile: true),
      body: { world, number in
        if number == 0 { world.reclaim() } else { world.storeResolving(0) }
      },
      check: { world in
        expect([100, 1, world.result(of: 1, fromEnd: 1) == 1 ? 2 : 0], world)
      })
  }

  /// What was behind the end does not come back.
  private static var truncateAndRead: Scenario {
    scenario(
      "truncate-read", "an object comes to end in a page while that is read",
      prepare: { world in
        try world.makeObject(isFile: true)
        world.mapObject()
        world.activateEverywhere()
      },
      body: { world, number in
        if number == 1 { return world.loadResolving(1, wordOf: 0) }
        world.resize(to: 4096 + 16)
      },
      check: { world in
        // The page may have been busy.
        world.resize(to: 4096 + 16)
        world.resize(to: 8192)
        return expect([101, 0, 0], of: 1, world)
      })
  }

  /// What is written meanwhile is written back then, or later.
  private static var writeBackAndWrite: Scenario {
    scenario(
      "write-back-write", "a page of a file is written back while it is written",
      prepare: object(isFile: true),
      body: { world, number in
        if number == 0 { world.synchronize(wordOf: 0) } else { world.storeResolving(0) }
      },
      check: { world in
        world.synchronize(wordOf: 1)
        let written: UInt64 = world.result(of: 1, fromEnd: 1) == 1 ? 2 : 0
        guard world.storedWord(1) == 1, world.storedWord(2) == written else {
          return "a write did not get to the store"
        }
        return expect([100, 1, written], world)
      })
  }

  /// Who is told that the store has all is told so after it has.
  private static var writeBackAndUnmap: Scenario {
    scenario(
      "write-back-unmap", "a page of a file is written back while it is unmapped",
      prepare: object(isFile: true),
      body: { world, number in
        if number == 0 { world.synchronize(wordOf: 0) } else { world.unmap(0, existing: true) }
      },
      check: { world in
        world.result(of: 0, fromEnd: 1) == 0 ? "the store was said to have what it had not" : nil
      })
  }

  private static var writeBackAndDestroy: Scenario {
    scenario(
      "write-back-destroy", "a page of a file is written back while its space is destroyed",
      prepare: { world in
        try world.makeObject(isFile: true)
        world.spaces[1] = try VmSpace()
        try world.addToPager(1)
        world.mapObject(in: 1)
        world.activateEverywhere(1)
        world.storeResolving(0, in: 1)
        world.activateEverywhere(0)
      },
      body: { world, number in
        if number == 0 { world.synchronize(wordOf: 0) } else { world.destroy(1) }
      },
      check: { world in
        world.result(of: 0, fromEnd: 1) == 0 ? "the store was said to have what it had not" : nil
      })
  }
}
