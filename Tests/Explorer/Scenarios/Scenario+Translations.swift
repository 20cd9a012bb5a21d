import TesseraHardware
import TesseraPageTables
import TesseraSpaces

// A processor changes pages while another one uses them, or changes others of the same space.
extension Scenario {
  static var translations: [Scenario] {
    [
      unmapAndRead, protectAndWrite, unmapAndActivate, activateAndMap, unmapTwoPages, unmapRing,
      unmapAndLeave, destroyAndLeave, clearAndWrite, protectForFour,
    ]
  }

  private static func onActiveSpace(_ world: World) throws {
    world.spaces[0] = try VmSpace()
    world.map(0)
    world.map(1)
    world.map(2)
    // Their table stays, whatever a scenario unmaps.
    world.map(4)
    world.activateEverywhere()
  }

  private static var unmapAndRead: Scenario {
    Scenario(
      name: "unmap-read", about: "a page is unmapped while another processor reads it",
      hasStoreBuffers: true, isCompared: true, prepare: onActiveSpace,
      body: { world, number in
        if number == 1 { return world.read(0) }
        world.unmap(0, existing: true)
        world.expectNone(at: 0)
      })
  }

  private static var protectAndWrite: Scenario {
    Scenario(
      name: "protect-write", about: "a page loses the right that another processor writes with",
      hasStoreBuffers: true,
      isCompared: true,
      prepare: onActiveSpace,
      body: { world, number in
        if number == 1 { return world.write(0) }
        world.protect(0, to: .read)
        world.expectNone(of: .writes, at: 0)
      })
  }

  /// Either the processor is asked, or it loads the tables as they are.
  private static var unmapAndActivate: Scenario {
    Scenario(
      name: "unmap-activate", about: "a page is unmapped while a processor activates the space",
      hasStoreBuffers: true,
      prepare: { world in
        world.spaces[0] = try VmSpace()
        world.map(0)
        world.map(1)
      },
      body: { world, number in
        if number == 0 {
          world.unmap(0, existing: true)
          world.expectNone(at: 0)
        } else {
          world.activate()
          world.read(0)
        }
      })
  }

  private static var activateAndMap: Scenario {
    Scenario(
      name: "map-activate", about: "a page is mapped while a processor activates the space",
      hasStoreBuffers: true,
      isCompared: true,
      prepare: { world in
        world.spaces[0] = try VmSpace()
        world.map(1)
      },
      body: { world, number in
        if number == 0 { return world.map(0) }
        world.activate()
        world.read(0)
      })
  }

  /// Each asks the other, and waits for it.
  private static var unmapTwoPages: Scenario {
    Scenario(
      name: "unmap-unmap-other-page", about: "two processors ask each other to flush",
      hasStoreBuffers: true, prepare: onActiveSpace,
      body: { world, number in
        world.unmap(number, existing: true)
        world.expectNone(at: number)
      })
  }

  private static var unmapRing: Scenario {
    Scenario(
      name: "unmap-ring", about: "three processors ask each other to flush", processorCount: 3,
      prepare: onActiveSpace,
      body: { world, number in
        world.unmap(number, existing: true)
        world.expectNone(at: number)
      })
  }

  /// A read-only page of all processors, of which none may be left behind.
  private static var protectForFour: Scenario {
    Scenario(
      name: "protect-protect-write", about: "two take rights, and two write", processorCount: 4,
      prepare: onActiveSpace,
      body: { world, number in
        switch number {
        case 0: world.protect(0, to: .read)
        case 1: world.protect(1, to: .read)
        case 2: world.write(0)
        default: world.write(1)
        }
      })
  }

  private static var unmapAndLeave: Scenario {
    Scenario(
      name: "unmap-deactivate", about: "a page is unmapped while a processor leaves the space",
      hasStoreBuffers: true,
      prepare: onActiveSpace,
      body: { world, number in
        if number == 1 { return world.deactivate() }
        world.unmap(0, existing: true)
        world.expectNone(at: 0)
      })
  }

  /// The root of a space that is destroyed stays until the last processor has left it.
  private static var destroyAndLeave: Scenario {
    Scenario(
      name: "destroy-deactivate", about: "a space is destroyed while another processor leaves it",
      hasStoreBuffers: true, isCompared: true, prepare: onActiveSpace,
      body: { world, number in
        if number == 0 { return world.destroy() }
        world.deactivate()
      })
  }

  private static var clearAndWrite: Scenario {
    Scenario(
      name: "clear-dirty-write", about: "dirty bits are cleared while another processor writes",
      hasStoreBuffers: true,
      isCompared: true, prepare: onActiveSpace,
      body: { world, number in
        if number == 1 { return world.write(0) }
        world.clearDirty(0)
        world.clearDirty(0)
      })
  }
}
