import TesseraHardware
import TesseraPageTables
import TesseraSpaces

// Two processors change the same pages, or pages under the same table.
extension Scenario {
  static var pages: [Scenario] {
    [mapUnderOneTable, mapOnePage, mapAndExamine, unmapOnePage, unmapOneOfTwo, mapAndUnmap]
  }

  /// The leaf table does not exist: one of them adds it, and the other finds it.
  private static var mapUnderOneTable: Scenario {
    Scenario(
      name: "map-map-new-table", about: "two pages are mapped under a leaf table that is missing",
      hasStoreBuffers: true,
      prepare: { $0.spaces[0] = try VmSpace() },
      body: { world, number in world.map(number) })
  }

  private static var mapOnePage: Scenario {
    Scenario(
      name: "map-map-same-page", about: "two map the same page, and one finds it mapped",
      hasStoreBuffers: true,
      isCompared: true,
      prepare: { world in
        world.spaces[0] = try VmSpace()
        world.map(2)
      },
      body: { world, _ in world.map(0) })
  }

  /// Who finds the page without a lock finds what its frame was filled with before it was mapped.
  private static var mapAndExamine: Scenario {
    Scenario(
      name: "map-examine", about: "a page is mapped under a new table, and looked for",
      hasStoreBuffers: true,
      prepare: { $0.spaces[0] = try VmSpace() },
      body: { world, number in
        if number == 0 { world.map(0) } else { world.examine(0) }
      })
  }

  private static var unmapOnePage: Scenario {
    Scenario(
      name: "unmap-unmap-same-page", about: "two unmap the same page, and one finds it absent",
      prepare: { world in
        world.spaces[0] = try VmSpace()
        world.map(0)
        world.activateEverywhere()
      },
      body: { world, _ in world.unmap(0, existing: true) })
  }

  /// As above, but the table stays. The second must not return before the first has flushed.
  private static var unmapOneOfTwo: Scenario {
    Scenario(
      name: "unmap-unmap-table-stays", about: "two unmap the same page of a table with two",
      hasStoreBuffers: true,
      prepare: { world in try world.makeTwoPages() },
      body: { world, _ in
        world.unmap(0, existing: true)
        world.expectNone(at: 0)
      })
  }

  /// The table comes and goes: each removes it if it is empty.
  private static var mapAndUnmap: Scenario {
    Scenario(
      name: "map-unmap-one-table",
      about: "two map a page of their own under one table, and unmap it",
      prepare: { $0.spaces[0] = try VmSpace() },
      body: { world, number in
        world.map(number)
        world.unmap(number)
      })
  }
}
