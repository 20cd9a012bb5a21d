import SimulatedMachine
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TesseraSpaces

// References to frames, the caches of free frames, and kernel memory.
extension Scenario {
  static var frames: [Scenario] {
    [
      dropTwice, dropAndShare, allocateTwice, borrowFromOther, borrowWhileUsed,
      borrowWhileSpilled, borrowRunWhileSpilled, kernelMappings, stopAndUnmap,
      kernelRead, kernelStop, allocateRuns,
    ]
  }

  private static func shared(_ world: World) throws {
    let frame = try Frame(allocating: PlainMemory())
    (world.frames + 1).pointee = frame.share()
    (world.frames + 0).pointee = consume frame
  }

  private static var dropTwice: Scenario {
    Scenario(
      name: "drop-drop", about: "two drop the two references to a frame", hasStoreBuffers: true,
      isCompared: true, prepare: shared, body: { world, number in world.drop(number) })
  }

  private static var dropAndShare: Scenario {
    Scenario(
      name: "drop-share", about: "one reference is dropped while the other is shared",
      hasStoreBuffers: true, isCompared: true, prepare: shared,
      body: { world, number in
        if number == 1 { return world.drop(1) }
        world.share(0, as: 2)
        world.drop(0)
        world.drop(2)
      })
  }

  private static var allocateTwice: Scenario {
    Scenario(
      name: "allocate-allocate", about: "two allocate a frame, and free it", isLinear: false,
      isCompared: true, prepare: { _ in },
      body: { world, number in
        world.allocate(number)
        world.drop(number)
      })
  }

  /// All frames are in use but those in the other's cache, which has to lend them.
  private static func borrowing(
    _ name: StaticString, _ about: StaticString, body: @escaping (World, Int) -> Void
  ) -> Scenario {
    Scenario(
      name: name, about: about, hasStoreBuffers: true, isLinear: false,
      prepare: { world in
        asProcessor(1) {
          world.allocate(1)
          world.drop(1)
        }
        world.useUpFrames()
      }, body: body,
      check: { $0.result(of: 0, at: 0) == 1 ? nil : "there was a frame, and it was not found" })
  }

  private static var borrowFromOther: Scenario {
    borrowing("borrow-frames", "a processor asks for the frames in another one's cache") {
      world, number in
      if number == 0 { world.allocate(0) } else { world.deactivate() }
    }
  }

  /// The owner uses its cache before it lends it, or notices that it has.
  private static var borrowWhileUsed: Scenario {
    borrowing("borrow-used-frames", "a cache is lent while its owner uses it") { world, number in
      world.allocate(number)
      if number == 1 { world.drop(1) }
    }
  }

  /// All frames are in use but those in the other's cache, which is full. It has one more, and
  /// spills half of the cache when that is freed, while the other half may be asked for.
  private static func spilling(
    _ name: StaticString, _ about: StaticString, body: @escaping (World, Int) -> Void
  ) -> Scenario {
    Scenario(
      name: name, about: about, frameCount: 96, isLinear: false,
      prepare: { world in
        asProcessor(1) { world.allocate(1) }
        try world.fillCache(of: 1)
        world.useUpFrames()
      }, body: body,
      check: { world in
        if world.result(of: 0, at: 0) != 1 { return "there was a frame, and it was not found" }
        return world.problemOfFreeFrames()
      })
  }

  private static var borrowWhileSpilled: Scenario {
    spilling("borrow-spilled-frames", "a cache is lent while it spills") { world, number in
      if number == 0 { world.allocate(0) } else { world.drop(1) }
    }
  }

  /// The run comes from the frames that are spilled, or from those that are lent.
  private static var borrowRunWhileSpilled: Scenario {
    spilling("borrow-spilled-run", "a run is asked for while a cache spills") { world, number in
      if number == 0 { world.allocateRun() } else { world.drop(1) }
    }
  }

  /// The addresses and the frame of one mapping may become those of the other.
  private static var kernelMappings: Scenario {
    Scenario(
      name: "kernel-unmap-map", about: "kernel memory is unmapped, and other is mapped",
      isLinear: false,
      prepare: { world in try world.mapKernel(0) },
      body: { world, number in
        if number == 0 { return world.unmapKernel(0) }
        try? world.mapKernel(1)
        world.unmapKernel(1)
      })
  }

  /// The other reads the memory as it was, or faults.
  private static var kernelRead: Scenario {
    Scenario(
      name: "kernel-unmap-read",
      about: "kernel memory is unmapped while another processor reads it",
      hasStoreBuffers: true,
      isLinear: false,
      prepare: { world in try world.mapKernel(0) },
      body: { world, number in
        if number == 0 { return world.unmapKernel(0) }
        world.readKernel(world.kernelAddress(0))
      })
  }

  private static var kernelStop: Scenario {
    Scenario(
      name: "kernel-unmap-stop", about: "kernel memory is unmapped while a processor is stopped",
      hasStoreBuffers: true,
      isLinear: false, checksCoherence: false,
      prepare: { world in try world.mapKernel(0) },
      body: { world, number in
        if number == 0 { world.unmapKernel(0) } else { world.stop() }
      })
  }

  private static var allocateRuns: Scenario {
    Scenario(
      name: "allocate-runs", about: "two allocate contiguous frames, and free them",
      hasStoreBuffers: true,
      isLinear: false,
      prepare: { _ in },
      body: { world, _ in world.allocateRun() })
  }

  private static var stopAndUnmap: Scenario {
    Scenario(
      name: "unmap-stop", about: "a page is unmapped while a processor on the space is stopped",
      hasStoreBuffers: true,
      prepare: { world in try world.makeTwoPages() },
      body: { world, number in
        if number == 1 { return world.stop() }
        world.unmap(0, existing: true)
      })
  }
}
