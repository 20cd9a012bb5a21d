import SimulatedMachine
import TesseraHardware
import TesseraPageTables
import TesseraSpaces

// Tables are removed, and their frames used again, while another processor is on its way to them.
extension Scenario {
  static var tables: [Scenario] {
    [
      removeAndTranslate, removeAndMap, reuseAndTranslate, reuseAndQuery, unmapAndMapAgain,
      overlappingCursors, destroyAndRead, forkAndWrite, splitAndRead, keptContext,
      threeOnOneTable,
    ]
  }

  private static func withOnePage(_ world: World) throws {
    world.spaces[0] = try VmSpace()
    world.map(0)
  }

  /// The space with a page in each of two tables, on all processors.
  private static func withTwoTables(_ world: World) throws {
    world.spaces[0] = try VmSpace()
    world.map(0)
    world.map(1)
    world.map(3)
    world.activateEverywhere()
  }

  private static var removeAndTranslate: Scenario {
    Scenario(
      name: "unmap-translate", about: "a table is removed while a walk without locks passes it",
      hasStoreBuffers: true, prepare: withOnePage,
      body: { world, number in
        if number == 0 { world.unmap(0) } else { world.translate(0) }
      })
  }

  private static var removeAndMap: Scenario {
    Scenario(
      name: "unmap-map-other-page", about: "a table is removed while a page is mapped under it",
      hasStoreBuffers: true,
      prepare: withOnePage,
      body: { world, number in
        if number == 0 { world.unmap(0, existing: true) } else { world.map(1) }
      })
  }

  /// The frame of the table becomes a table of other pages.
  private static var reuseAndTranslate: Scenario {
    Scenario(
      name: "reuse-translate", about: "the frame of a removed table is used again during a walk",
      hasStoreBuffers: true,
      prepare: withOnePage,
      body: { world, number in
        if number == 1 { return world.translate(0) }
        world.unmap(0)
        world.map(3)
      })
  }

  private static var reuseAndQuery: Scenario {
    Scenario(
      name: "reuse-query", about: "the frame of a removed table is used again before it is locked",
      prepare: withOnePage,
      body: { world, number in
        if number == 1 { return world.query(0) }
        world.unmap(0)
        world.map(3)
      })
  }

  private static var unmapAndMapAgain: Scenario {
    Scenario(
      name: "remap-read", about: "a page is unmapped and mapped again while it is read",
      hasStoreBuffers: true,
      prepare: withTwoTables,
      body: { world, number in
        if number == 0 {
          world.unmap(0, existing: true)
          world.map(0)
        } else {
          world.read(0)
          world.read(0)
        }
      })
  }

  private static var overlappingCursors: Scenario {
    Scenario(
      name: "unmap-protect-overlap",
      about: "one unmaps two pages, and the other protects the second",
      prepare: { world in
        try withTwoTables(world)
        world.map(2)
      },
      body: { world, number in
        if number == 0 {
          world.unmap(0, count: 2, existing: true)
        } else {
          world.protect(1, to: .read)
        }
      })
  }

  private static var destroyAndRead: Scenario {
    Scenario(
      name: "destroy-read", about: "a space is destroyed while a processor on it reads",
      hasStoreBuffers: true,
      prepare: withTwoTables,
      body: { world, number in
        if number == 0 {
          world.deactivate()
          world.destroy()
        } else {
          world.read(0)
          world.deactivate()
        }
      })
  }

  /// The copy must not see what is written after the fork.
  private static var forkAndWrite: Scenario {
    Scenario(
      name: "fork-write", about: "pages are shared with another space while one is written",
      hasStoreBuffers: true,
      prepare: { world in
        try withTwoTables(world)
        world.spaces[1] = try VmSpace()
      },
      body: { world, number in
        if number == 1 { return world.write(0) }
        world.copy(0, from: 0, to: 1)
        world.expectNone(of: .writes, at: 0)
      })
  }

  private static var splitAndRead: Scenario {
    Scenario(
      name: "split-read", about: "a large page is split while it is read and written",
      hasStoreBuffers: true,
      prepare: { world in
        world.spaces[0] = try VmSpace()
        world.mapLargeDevice(at: World.pages[3])
        world.activateEverywhere()
      },
      body: { world, number in
        if number == 0 { return world.protect(3, to: .read) }
        world.write(3)
      })
  }

  /// The processor comes back to a space whose translations it has kept.
  private static var keptContext: Scenario {
    Scenario(
      name: "contexts-unmap", about: "a page is unmapped while a processor leaves and comes back",
      hasStoreBuffers: true, hasContextIdentifiers: true, prepare: withTwoTables,
      body: { world, number in
        if number == 0 {
          world.unmap(0, existing: true)
        } else {
          world.deactivate()
          world.activate()
          world.read(0)
        }
      })
  }

  private static var threeOnOneTable: Scenario {
    Scenario(
      name: "unmap-map-translate", about: "a table is removed, needed, and walked",
      processorCount: 3,
      prepare: withOnePage,
      body: { world, number in
        switch number {
        case 0: world.unmap(0)
        case 1: world.map(1)
        default: world.translate(0)
        }
      })
  }
}
