import ExplorerRuntime
import SimulatedMachine
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TesseraSpaces

// What is in use becomes free, and is used for something else, while another processor still comes
// by; and processors that come and go meanwhile.
extension Scenario {
  static var changes: [Scenario] {
    [
      dropAndClaim, freeAndClaim, allocateWhenInterrupted, kernelRemap, borrowFromStopping,
      destroyAndActivate, unmapAndStart, unmapTwiceAndActivate, closeAndUnmap,
      activateTwiceAndUnmap, kernelMapTwice, destroyTwo, protectTwiceAndAnswer,
    ]
  }

  /// Who claims the frame overwrites what both have written, after both have.
  private static var dropAndClaim: Scenario {
    Scenario(
      name: "drop-drop-claim", about: "two drop a frame that they write, and claim it again",
      isLinear: false, isCompared: true,
      prepare: { world in
        world.allocate(0)
        world.share(0, as: 1)
      },
      body: { world, number in
        world.fill(number, word: number, atAddressOf: 0)
        world.drop(number)
        world.claim(2 + number, atAddressOf: 0)
        world.fill(2 + number, word: 0, atAddressOf: 0)
        world.fill(2 + number, word: 1, atAddressOf: 0)
      })
  }

  private static var freeAndClaim: Scenario {
    Scenario(
      name: "free-claim-fill", about: "a frame is freed that another processor claims and writes",
      isLinear: false, isCompared: true,
      prepare: { world in world.allocate(0) },
      body: { world, number in
        if number == 0 {
          world.fill(0, word: 0, atAddressOf: 0)
          return world.drop(0)
        }
        world.claim(1, atAddressOf: 0)
        world.fill(1, word: 0, atAddressOf: 0)
      })
  }

  /// The handler of the interrupt comes to the allocator's lock itself.
  private static var allocateWhenInterrupted: Scenario {
    Scenario(
      name: "allocate-interrupt", about: "an interrupt allocates while its processor does",
      isLinear: false, isCompared: true,
      prepare: { _ in },
      whenInterrupted: { world in world.allocateRun() },
      body: { world, number in
        if number == 1 { return world.interrupt(0) }
        world.allocateRun()
      })
  }

  /// The other reads the memory of either mapping, or faults.
  private static var kernelRemap: Scenario {
    Scenario(
      name: "kernel-remap-read",
      about: "kernel memory is unmapped, other is mapped, and a third processor reads it",
      isLinear: false,
      prepare: { world in try world.mapKernel(0) },
      body: { world, number in
        if number == 1 { return world.readKernel(world.kernelAddress(0)) }
        world.unmapKernel(0)
        try? world.mapKernel(1)
      },
      check: { world in
        let isKnown = [0, 7, 8].contains(world.result(of: 1, at: 0))
        return isKnown ? nil : "the memory of no mapping was read"
      })
  }

  /// The frame in the cache of a processor that is stopped is found as well.
  private static var borrowFromStopping: Scenario {
    Scenario(
      name: "borrow-stop", about: "the processor is stopped whose cache has the last frame",
      hasStoreBuffers: true, isLinear: false, checksCoherence: false,
      prepare: { world in
        asProcessor(1) {
          world.allocate(1)
          world.drop(1)
        }
        world.useUpFrames()
      },
      body: { world, number in
        if number == 0 { world.allocate(0) } else { world.stop() }
      },
      check: { $0.result(of: 0, at: 0) == 1 ? nil : "there was a frame, and it was not found" })
  }
}

extension Scenario {
  private static var destroyAndActivate: Scenario {
    Scenario(
      name: "destroy-activate",
      about: "a space is destroyed while a processor on it goes to another one",
      hasStoreBuffers: true,
      prepare: { world in
        world.spaces[0] = try VmSpace()
        world.spaces[1] = try VmSpace()
        world.map(0)
        world.map(0, in: 1)
        world.activateEverywhere()
      },
      body: { world, number in
        if number == 0 {
          world.deactivate()
          return world.destroy()
        }
        world.activate(1)
        world.read(0)
      })
  }

  /// The processor comes to the space after its start.
  private static var unmapAndStart: Scenario {
    Scenario(
      name: "unmap-start", about: "a page is unmapped while a processor is started on its space",
      hasStoreBuffers: true,
      prepare: { world in
        world.spaces[0] = try VmSpace()
        world.map(0)
        world.map(1)
        asProcessor(1) { world.stop() }
      },
      body: { world, number in
        if number == 0 {
          world.unmap(0, existing: true)
          return world.expectNone(at: 0)
        }
        world.start()
        world.activate()
        world.read(0)
      })
  }

  private static var unmapTwiceAndActivate: Scenario {
    Scenario(
      name: "unmap-unmap-activate",
      about: "two unmap pages of a space while a processor activates it", processorCount: 3,
      prepare: { world in
        world.spaces[0] = try VmSpace()
        for page in [0, 1, 2] { world.map(page) }
      },
      body: { world, number in
        if number == 2 {
          world.activate()
          return world.read(0)
        }
        world.unmap(number, existing: true)
        world.expectNone(at: number)
      })
  }

  /// Both come to the space, and neither may be forgotten.
  private static var activateTwiceAndUnmap: Scenario {
    Scenario(
      name: "activate-activate-unmap",
      about: "a page is unmapped while two processors activate its space", processorCount: 3,
      prepare: { world in
        world.spaces[0] = try VmSpace()
        world.map(0)
        world.map(1)
      },
      body: { world, number in
        if number > 0 {
          world.activate()
          return world.read(0)
        }
        world.unmap(0, existing: true)
        world.expectNone(at: 0)
      })
  }

  /// Each may find the addresses free that the other one takes.
  private static var kernelMapTwice: Scenario {
    Scenario(
      name: "kernel-map-map", about: "two map kernel memory", isLinear: false,
      prepare: { world in try world.mapKernel(2) },
      body: { world, number in
        do { try world.mapKernel(number) } catch { explorer_fail("check", "there was room") }
      })
  }

  /// The third is asked by both at once, and does nothing but answer.
  private static var protectTwiceAndAnswer: Scenario {
    Scenario(
      name: "protect-protect-answer", about: "two ask a third, which only answers",
      processorCount: 3,
      prepare: { world in
        world.spaces[0] = try VmSpace()
        for page in [0, 3] { world.map(page) }
        asProcessor(2) { world.activate() }
      },
      body: { world, number in
        guard number < 2 else { return }
        world.protect(3 * number, to: .read)
        world.expectNone(of: .writes, at: 3 * number)
      })
  }

  /// Both spaces are destroyed while the other processor runs on them.
  private static var destroyTwo: Scenario {
    Scenario(
      name: "destroy-destroy", about: "two destroy spaces that the other one is on",
      prepare: { world in
        for index in 0..<2 {
          world.spaces[index] = try VmSpace()
          world.map(0, in: index)
          asProcessor(1 - index) { world.activate(index) }
        }
      },
      body: { world, number in
        world.destroy(number)
        world.deactivate()
      })
  }

  /// The frame of the page goes back while its processor's cache is closed.
  private static var closeAndUnmap: Scenario {
    Scenario(
      name: "unmap-stop-third", about: "two change pages while a processor on the space is stopped",
      processorCount: 3, checksCoherence: false,
      prepare: { world in
        world.spaces[0] = try VmSpace()
        for page in [0, 1, 2] { world.map(page) }
        world.activateEverywhere()
      },
      body: { world, number in
        switch number {
        case 0: world.unmap(0, existing: true)
        case 1: world.protect(1, to: .read)
        default: world.stop()
        }
      })
  }
}
