import TesseraHardware
import TesseraPageTables
import TesseraSpaces

// The processor sets accessed and dirty bits while pages become larger or smaller, and changes of
// many pages flush everything.
extension Scenario {
  static var bits: [Scenario] {
    [collapseAndWrite, splitAndDirty, protectAndDirty, unmapMany, unmapTwiceAndRead]
  }

  /// 512 pages of a device, which are one page of 2 MiB in the end, or the other way round.
  private static func onDevicePages(isLarge: Bool) -> (World) throws -> Void {
    { world in
      world.spaces[0] = try VmSpace()
      world.mapLargeDevice(at: World.pages[3])
      // One page is protected and given its rights back, which splits the large one.
      if !isLarge {
        world.protect(3, to: .read)
        world.protect(3, to: .readWrite)
      }
      // Mapped pages have the bit from the start.
      world.harvest(3, count: 512)
      world.activateEverywhere()
    }
  }

  /// A write that was done is seen in the dirty bit, whatever the size of the page is by then.
  private static func findLostDirtyBit(_ world: World) -> String? {
    let hasWritten = world.result(of: 1, at: 0) == 1
    return hasWritten && !world.isDirty(3) ? "a dirty bit is lost" : nil
  }

  /// The write may fault, while the pages are neither small nor large.
  private static var collapseAndWrite: Scenario {
    Scenario(
      name: "collapse-write", about: "pages become a large one while one of them is written",
      isLinear: false,
      prepare: onDevicePages(isLarge: false),
      body: { world, number in
        if number == 1 { return world.write(3) }
        world.collapseTable(of: 3)
      }, check: findLostDirtyBit)
  }

  private static var splitAndDirty: Scenario {
    Scenario(
      name: "split-write", about: "a large page that is written is split for a part of it",
      prepare: onDevicePages(isLarge: true),
      body: { world, number in
        if number == 1 { return world.write(3) }
        world.protect(3, to: .read)
      }, check: findLostDirtyBit)
  }

  private static var protectAndDirty: Scenario {
    Scenario(
      name: "protect-dirty", about: "a page is protected, and keeps the bit of a write before",
      prepare: { world in
        world.spaces[0] = try VmSpace()
        world.map(3)
        world.harvest(3)
        world.activateEverywhere()
      },
      body: { world, number in
        if number == 1 { return world.write(3) }
        world.protect(3, to: .read)
      }, check: findLostDirtyBit)
  }

  /// More pages than are flushed one by one.
  private static var unmapMany: Scenario {
    Scenario(
      name: "unmap-many-read", about: "so many pages are unmapped that everything is flushed",
      prepare: { world in
        world.spaces[0] = try VmSpace()
        world.map(0, count: 33)
        world.map(3)
        world.activateEverywhere()
      },
      body: { world, number in
        if number == 1 { return world.read(0) }
        world.unmap(0, count: 33, existing: true)
        world.expectNone(at: 0, count: 33)
      })
  }

  /// The second finds the page absent, while the first may not have flushed yet: it must not return
  /// before that is done.
  private static var unmapTwiceAndRead: Scenario {
    Scenario(
      name: "unmap-unmap-read", about: "two unmap a page that a third reads",
      processorCount: 3,
      prepare: { world in try world.makeTwoPages() },
      body: { world, number in
        if number == 2 { return world.read(0) }
        world.unmap(0, existing: true)
        world.expectNone(at: 0)
      })
  }
}
