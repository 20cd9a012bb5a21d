import SimulatedMachine
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TesseraSpaces

// References at their highest count, frames that are claimed by address, identifiers that run out,
// and a processor that is started.
extension Scenario {
  static var limits: [Scenario] {
    [
      saturateAndDrop, claimAndFree, claimTwice, reuseIdentifiers, removeAndTrace, startAndRead,
      unmapRuns,
    ]
  }

  /// One more reference than can be counted: the frame is never freed.
  private static var saturateAndDrop: Scenario {
    Scenario(
      name: "share-saturated-drop",
      about: "a frame is shared once more than can be counted while a reference is dropped",
      isLinear: false,
      isCompared: true,
      prepare: { world in
        world.useFrameForEver(0)
        world.share(0, as: 1)
      },
      body: { world, number in
        if number == 1 { return world.drop(1) }
        world.share(0, as: 2)
        world.drop(0)
      }, check: { $0.isInUseForEver(0) ? nil : "a frame's count is lost" })
  }

  private static var claimAndFree: Scenario {
    Scenario(
      name: "claim-free", about: "a frame is claimed by its address while it is freed",
      isLinear: false,
      isCompared: true, prepare: { world in world.allocate(0) },
      body: { world, number in
        if number == 0 { world.drop(0) } else { world.claim(1, atAddressOf: 0) }
      })
  }

  private static var claimTwice: Scenario {
    Scenario(
      name: "claim-claim", about: "two claim one free frame by its address",
      isLinear: false,
      prepare: { world in
        world.allocate(0)
        world.drop(0)
      },
      body: { world, number in world.claim(1 + number, atAddressOf: 0) })
  }
}

extension Scenario {
  /// A processor activates more spaces than it has identifiers, and comes back to the first.
  private static var reuseIdentifiers: Scenario {
    Scenario(
      name: "contexts-reuse", about: "a page is unmapped while its space's identifier is reused",
      hasContextIdentifiers: true,
      prepare: { world in
        for index in 0..<World.placeCount { world.spaces[index] = try VmSpace() }
        world.map(0)
        world.map(1)
        world.activateEverywhere()
      },
      body: { world, number in
        if number == 0 {
          world.unmap(0, existing: true)
          return world.expectNone(at: 0)
        }
        for index in 1..<World.placeCount { world.activate(index) }
        world.activate(0)
        world.read(0)
      })
  }

  /// Either it is asked, or it sees the entry.
  private static var startAndRead: Scenario {
    Scenario(
      name: "kernel-unmap-start", about: "kernel memory is unmapped while a processor is started",
      hasStoreBuffers: true, isLinear: false,
      prepare: { world in
        try world.mapKernel(0)
        asProcessor(1) { world.stop() }
      },
      body: { world, number in
        if number == 0 { return world.unmapKernel(0) }
        world.start()
        world.readKernel(world.kernelAddress(0))
      })
  }

  /// Frames that others own too, and are no neighbours, are deferred in a table of runs.
  private static var unmapRuns: Scenario {
    Scenario(
      name: "unmap-unmap-runs", about: "two unmap frames that they share, each several runs",
      isLinear: false, isBrief: true,
      prepare: { world in
        world.spaces[0] = try VmSpace()
        world.spaces[1] = try VmSpace()
        for page in 0..<2 {
          world.map(page)
          world.allocate(page)
          world.copy(page, from: 0, to: 1)
        }
        world.fillCaches()
      },
      body: { world, number in world.unmap(0, count: 2, in: number, existing: true) })
  }

  private static var removeAndTrace: Scenario {
    Scenario(
      name: "unmap-trace", about: "a table is removed while its entries are dumped",
      prepare: { world in
        world.spaces[0] = try VmSpace()
        world.map(0)
      },
      body: { world, number in
        if number == 0 { world.unmap(0) } else { world.trace(0) }
      })
  }
}
