import SimulatedMachine
import TesseraFaults
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TesseraSpaces

// Page faults, against each other and against what changes the same page.
extension Scenario {
  static var faults: [Scenario] {
    [
      writeZerosTwice, readAndWriteZeros, writeCopyTwice, writeParentAndChild, faultAndUnmap,
      faultAndUnmapCopied, faultAndUnmapTable, faultAndProtect, faultAndFork, faultAndCopy,
      faultAndDestroy, faultAndStoreThenFork, faultAndDiscard, forkAndWrite, forkFaultAndWrite,
      storeAndUnmap, storeAndFork,
    ]
  }

  /// A page that appears when it is used.
  private static func onDemand(_ world: World) throws {
    world.spaces[0] = try VmSpace()
    world.map(1)
    world.setDemandZero(0)
    world.activateEverywhere()
    world.fillCaches()
  }

  /// A page that a fork has shared with a second space, while all processors are on the first.
  private static func onForked(_ world: World) throws {
    try forked(world)
    world.activateEverywhere()
  }

  /// As above, with no processor on a space.
  private static func forked(_ world: World) throws {
    world.spaces[0] = try VmSpace()
    world.map(0)
    world.map(1)
    world.fork(0, to: 1)
    world.fillCaches()
  }

  /// A page that a fork has shared, and whose second owner is gone.
  private static func onAbandoned(_ world: World) throws {
    try onForked(world)
    world.releaseSpace(1)
  }

  private static func noteContents(_ world: World) -> String? {
    world.noteContents()
    return nil
  }

  private static var writeZerosTwice: Scenario {
    Scenario(
      name: "fault-fault-zeros", about: "two write a page that appears when it is used",
      hasStoreBuffers: true, prepare: onDemand,
      body: { world, _ in
        world.resolve(.write, 0)
        world.store(0)
      },
      check: { world in
        world.contents() == [0, 1, 2] ? nil : "a write is lost: \(world.contents() ?? [])"
      })
  }

  /// Who reads may get the frame of zeros, which may not be written, and not for longer than until
  /// the other has written.
  private static var readAndWriteZeros: Scenario {
    Scenario(
      name: "fault-read-write-zeros", about: "one reads, and one writes, a page that appears",
      hasStoreBuffers: true, prepare: onDemand,
      body: { world, number in
        if number == 0 {
          world.resolve(.read, 0)
          return world.load(0, wordOf: 1)
        }
        world.resolve(.write, 0)
        world.store(0)
      },
      check: { world in
        world.contents() == [0, 0, 2] ? nil : "a write is lost: \(world.contents() ?? [])"
      })
  }

  private static var writeCopyTwice: Scenario {
    Scenario(
      name: "fault-fault-copy", about: "two write a page of one space that a fork has shared",
      hasStoreBuffers: true, prepare: onForked,
      body: { world, _ in
        world.resolve(.write, 0)
        world.store(0)
      },
      check: { world in
        guard world.contents() == [1, 1, 2] else { return "a write is lost" }
        return world.contents(in: 1) == [1, 0, 0] ? nil : "a write came to the other space"
      })
  }

  /// Both may copy, but only one can take the frame over.
  private static var writeParentAndChild: Scenario {
    Scenario(
      name: "fault-fault-parent-child", about: "parent and child write a page that they share",
      hasStoreBuffers: true, isLinear: false, prepare: onForked,
      body: { world, number in
        world.resolve(.write, 0, in: number)
        world.store(0, in: number)
      },
      check: { world in
        let found = Set([0, 1].map { world.result(of: $0, fromEnd: 2) })
        let copy = World.number(of: .copy)
        let isKnown = found == [copy] || found == [copy, World.number(of: .takeover)]
        guard isKnown else { return "the faults were answered by \(found)" }
        guard world.contents() == [1, 1, 0] else { return "the parent lost a write, or got one" }
        return world.contents(in: 1) == [1, 0, 2] ? nil : "the child lost a write, or got one"
      })
  }
}

// Faults against calls that take the page away, or share it.
extension Scenario {
  private static var faultAndUnmap: Scenario {
    Scenario(
      name: "fault-unmap", about: "a page that appears when it is used is used, and unmapped",
      hasStoreBuffers: true, prepare: onDemand,
      body: { world, number in
        if number == 0 {
          world.resolve(.write, 0)
          return world.store(0)
        }
        world.unmap(0)
        world.expectNone(at: 0)
      }, check: noteContents)
  }

  private static var faultAndUnmapCopied: Scenario {
    Scenario(
      name: "fault-unmap-copy", about: "a page that a fork has shared is written, and unmapped",
      hasStoreBuffers: true, prepare: onForked,
      body: { world, number in
        if number == 0 { return world.resolve(.write, 0) }
        world.unmap(0)
        world.expectNone(at: 0)
      }, check: noteContents)
  }

  /// The table that a read-only page was in becomes that of another page, which may be written.
  private static var faultAndUnmapTable: Scenario {
    Scenario(
      name: "fault-unmap-table", about: "a page is used while its table is used for another",
      prepare: { world in
        world.spaces[0] = try VmSpace()
        world.map(0, as: PageProperty(.read, isUser: true))
      },
      body: { world, number in
        if number == 0 { return world.resolve(.write, 0) }
        world.unmap(0)
        world.map(3)
      })
  }

  /// Who takes the right away finds it taken, whether the page was copied before or not.
  private static var faultAndProtect: Scenario {
    Scenario(
      name: "fault-protect", about: "a page that a fork has shared is written, and protected",
      hasStoreBuffers: true, prepare: onForked,
      body: { world, number in
        if number == 0 {
          world.resolve(.write, 0)
          return world.write(0)
        }
        world.protect(0, to: .read)
        world.expectNone(of: .writes, at: 0)
      }, check: noteContents)
  }

  /// Who has the frame alone when it faults may not have it alone any more when it takes it over.
  private static var faultAndFork: Scenario {
    Scenario(
      name: "fault-fork", about: "a page is taken over while its space is forked",
      prepare: onAbandoned,
      body: { world, number in
        if number == 0 {
          world.resolve(.write, 0)
          return world.store(0)
        }
        world.fork(0, to: 2)
        world.load(0, wordOf: 0, in: 2)
      }, check: noteContents)
  }

  /// As above, with a fork of one page, which is a smaller program.
  private static var faultAndCopy: Scenario {
    Scenario(
      name: "fault-copy", about: "a page is taken over while another space gets it",
      hasStoreBuffers: true,
      prepare: { world in
        try onAbandoned(world)
        world.spaces[2] = try VmSpace()
        world.map(1, in: 2)
      },
      body: { world, number in
        if number == 0 {
          world.resolve(.write, 0)
          return world.store(0)
        }
        world.copy(0, from: 0, to: 2)
      }, check: noteContents)
  }

  /// The parent copies the page, or takes it over once the child is gone.
  private static var faultAndDestroy: Scenario {
    Scenario(
      name: "fault-destroy", about: "the parent writes a page while the child is destroyed",
      hasStoreBuffers: true, prepare: onForked,
      body: { world, number in
        if number == 1 { return world.destroy(1) }
        world.resolve(.write, 0)
        world.store(0)
      },
      check: { world in
        world.contents() == [1, 1, 0] ? nil : "the write is lost: \(world.contents() ?? [])"
      })
  }

  /// A copy that was made too early does not have what was written before the second fork.
  private static var faultAndStoreThenFork: Scenario {
    Scenario(
      name: "fault-store-fork", about: "a page is copied that another writes, and shares again",
      prepare: { world in
        try forked(world)
        world.spaces[2] = try VmSpace()
        world.map(1, in: 2)
      },
      body: { world, number in
        if number == 0 { return world.resolve(.write, 0) }
        world.store(0)
        world.copy(0, from: 0, to: 2)
      },
      check: { world in
        world.noteContents()
        return world.contents() == [1, 0, 2] ? nil : "the write is lost: \(world.contents() ?? [])"
      })
  }
}

extension Scenario {
  /// The frame for a copy is not filled with zeros, and must not be given to a page of zeros. A
  /// fault is not denied for what the page is between the two changes of the cursor.
  private static var faultAndDiscard: Scenario {
    Scenario(
      name: "fault-discard", about: "a page is written, and what it has is discarded",
      prepare: forked,
      body: { world, number in
        if number == 0 { return world.resolve(.write, 0) }
        world.discard(0)
      },
      check: { world in
        world.noteContents()
        let isKnown = [nil, [0, 0, 0]].contains(world.contents())
        return isKnown ? nil : "the page has old contents: \(world.contents() ?? [])"
      })
  }
}

// Forks and the memory of programs.
extension Scenario {
  /// What was written before the fork is in both, and what was written after it in the parent.
  private static var forkAndWrite: Scenario {
    Scenario(
      name: "fork-write", about: "a space is forked while a processor on it writes",
      hasStoreBuffers: true,
      prepare: { world in
        world.spaces[0] = try VmSpace()
        world.map(0)
        world.activateEverywhere()
        world.fillCaches()
      },
      body: { world, number in
        if number == 0 { return world.write(0) }
        world.fork(0, to: 2)
        world.load(0, wordOf: 0, in: 2)
      }, check: noteContents)
  }

  /// One copies the page that is write-protected, while the third may still write what is copied.
  private static var forkFaultAndWrite: Scenario {
    Scenario(
      name: "fork-fault-write", about: "one shares a page, one copies it, and one writes it",
      processorCount: 3,
      prepare: { world in
        world.spaces[0] = try VmSpace()
        world.spaces[2] = try VmSpace()
        world.map(0)
        world.map(1)
        world.map(1, in: 2)
        world.activateEverywhere()
        world.dirtyEverywhere(0)
        world.fillCaches()
      },
      body: { world, number in
        switch number {
        case 0: world.copy(0, from: 0, to: 2)
        case 1: world.resolve(.write, 0)
        default: world.write(0)
        }
      },
      check: { world in
        world.noteContents()
        let hasWritten = world.result(of: 2, fromEnd: 1) == 1
        guard hasWritten, world.contents()?[1] != 1 else { return nil }
        return "the write is lost"
      })
  }

  private static var storeAndUnmap: Scenario {
    Scenario(
      name: "store-unmap", about: "a kernel writes for a program whose page is unmapped",
      hasStoreBuffers: true,
      prepare: { world in try world.makeTwoPages() },
      body: { world, number in
        if number == 1 { return world.unmap(0, existing: true) }
        world.store(0)
        world.load(0, wordOf: 0)
      })
  }

  private static var storeAndFork: Scenario {
    Scenario(
      name: "store-fork", about: "a kernel writes for a program while its space is forked",
      prepare: { world in
        world.spaces[0] = try VmSpace()
        world.map(0)
        world.activateEverywhere()
        world.fillCaches()
      },
      body: { world, number in
        if number == 0 { return world.store(0) }
        world.fork(0, to: 2)
        world.load(0, wordOf: 0, in: 2)
      }, check: noteContents)
  }
}
