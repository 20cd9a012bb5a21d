import SimulatedMachine
import TesseraFaults
import TesseraSpaces

// As in `Scenario+Paging.swift`, but the spaces are on no processor and less is done, so that
// more schedules can be tried, or all: no flush is asked for.
extension Scenario {
  static var idlePaging: [Scenario] {
    [
      reclaimAndFault, reuseAndFault, reclaimAndStore, bringAndBring, reclaimAndFork,
      reclaimAndUnmap,
      reclaimAndReclaim, reclaimFileAndFault, truncateAndReclaim, truncateAndFault,
      attachAndTruncate, readFileTwice,
    ]
  }

  private static func scenario(
    _ name: StaticString, _ about: StaticString, hasStoreBuffers: Bool = false,
    prepare: @escaping (World) throws -> Void,
    body: @escaping (World, Int) -> Void, check: @escaping (World) -> String?
  ) -> Scenario {
    Scenario(
      name: name, about: about, hasStoreBuffers: hasStoreBuffers, isLinear: false,
      isBrief: true,
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

  /// An anonymous page that the first processor has written.
  private static func anonymous(_ world: World) throws {
    world.setDemandZero(0)
    world.storeResolving(0)
    world.makeOld()
  }

  /// The same page, in swap.
  private static func inSwap(_ world: World) throws {
    try anonymous(world)
    world.reclaim()
  }

  /// A page of an object, which the first processor has written if it is no file.
  private static func object(isFile: Bool) -> (World) throws -> Void {
    { world in
      try world.makeObject(isFile: isFile)
      world.mapObject()
      if isFile { world.loadResolving(0, wordOf: 0) } else { world.storeResolving(0) }
      world.makeOld()
    }
  }

  private static func expect(
    _ expected: [UInt64]?, in space: Int = 0, of page: Int = 0, _ world: World
  ) -> String? {
    let found = world.words(of: page, in: space)
    return found == expected ? nil : "space \(space) has \(found ?? []), not \(expected ?? [])"
  }

  private static var reclaimAndFault: Scenario {
    scenario(
      "idle-reclaim-fault", "a page is taken away while a fault wants it",
      prepare: anonymous,
      body: { world, number in
        if number == 0 { world.reclaim() } else { world.resolve(.read, 0) }
      }, check: { world in expect([0, 1, 0], world) })
  }

  /// The frame is a page of another address before the fault has a reference of it.
  private static var reuseAndFault: Scenario {
    scenario(
      "idle-reuse-fault", "the frame of a page is used again while a fault wants the page",
      prepare: { world in
        world.setDemandZero(1)
        try anonymous(world)
      },
      body: { world, number in
        if number == 1 { return world.resolve(.read, 0) }
        world.reclaim()
        world.resolve(.write, 1)
      }, check: { world in expect([0, 1, 0], world) ?? expect([0, 0, 0], of: 1, world) })
  }

  private static var reclaimAndStore: Scenario {
    scenario(
      "idle-reclaim-store", "a page is taken away while a kernel writes it for a program",
      prepare: anonymous,
      body: { world, number in
        if number == 0 { world.reclaim() } else { world.store(0) }
      },
      check: { world in expect([0, 1, world.result(of: 1, at: 0) == 1 ? 2 : 0], world) })
  }

  private static var bringAndBring: Scenario {
    scenario(
      "idle-bring-bring", "two faults want a page that is in swap", hasStoreBuffers: true,
      prepare: inSwap,
      body: { world, _ in world.resolve(.read, 0) },
      check: { world in expect([0, 1, 0], world) })
  }

  private static var reclaimAndFork: Scenario {
    scenario(
      "idle-reclaim-fork", "a page is taken away while its space is forked", prepare: anonymous,
      body: { world, number in
        if number == 0 { world.reclaim() } else { world.fork(0, to: 1) }
      },
      check: { world in expect([0, 1, 0], world) ?? expect([0, 1, 0], in: 1, world) })
  }

  private static var reclaimAndUnmap: Scenario {
    scenario(
      "idle-reclaim-unmap", "a page is taken away while it is unmapped", prepare: anonymous,
      body: { world, number in
        if number == 0 { world.reclaim() } else { world.unmap(0, existing: true) }
      }, check: { world in expect(nil, world) })
  }

  private static var reclaimAndReclaim: Scenario {
    scenario(
      "idle-reclaim-reclaim", "two take one page away", prepare: anonymous,
      body: { world, _ in world.reclaim() },
      check: { world in
        let freed = [0, 1].filter { world.result(of: $0, fromEnd: 1) == 2 }
        return freed.count > 1 ? "a page was freed twice" : expect([0, 1, 0], world)
      })
  }
}

// Pages of objects.
extension Scenario {
  private static var reclaimFileAndFault: Scenario {
    scenario(
      "idle-reclaim-file-fault", "a page of a file is taken away while a fault wants it",
      prepare: object(isFile: true),
      body: { world, number in
        if number == 0 { world.reclaim() } else { world.resolve(.write, 0) }
      }, check: { world in expect([100, 0, 0], world) })
  }

  private static var truncateAndReclaim: Scenario {
    scenario(
      "idle-truncate-reclaim", "an object gets shorter while its page is taken away",
      prepare: object(isFile: false),
      body: { world, number in
        if number == 0 { world.reclaim() } else { world.resize(to: 0) }
      }, check: { world in expect(nil, world) })
  }

  private static var truncateAndFault: Scenario {
    scenario(
      "idle-truncate-fault", "an object gets shorter while a fault wants its last page",
      prepare: { world in
        try world.makeObject(isFile: true)
        world.mapObject()
      },
      body: { world, number in
        if number == 0 { world.resize(to: 4096) } else { world.resolve(.read, 1) }
      },
      check: { world in expect(nil, of: 1, world) ?? expect([100, 0, 0], world) })
  }

  private static var attachAndTruncate: Scenario {
    scenario(
      "idle-attach-truncate", "an object gets shorter while another space maps it",
      prepare: { world in
        try object(isFile: false)(world)
        world.spaces[1] = try VmSpace()
        try world.addToPager(1)
      },
      body: { world, number in
        if number == 0 { world.resize(to: 0) } else { world.mapObject(in: 1) }
      },
      check: { world in expect(nil, world) ?? expect(nil, in: 1, world) })
  }

  private static var readFileTwice: Scenario {
    scenario(
      "idle-read-read", "two faults want a page of a file that is in its store",
      prepare: { world in
        try world.makeObject(isFile: true)
        world.mapObject()
      },
      body: { world, _ in world.resolve(.read, 0) },
      check: { world in expect([100, 0, 0], world) })
  }
}
