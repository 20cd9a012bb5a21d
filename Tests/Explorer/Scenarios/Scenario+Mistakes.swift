import SimulatedMachine
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TesseraSpaces

// Mistakes on purpose, each of which has to be found: in one order at least, something is wrong.
extension Scenario {
  static var mistakes: [Scenario] {
    [
      flushForgotten, flushForgottenUnseen, flushForgottenAtEnd, frameLost, lockLeft,
      kernelLockLeft, repaired,
    ]
  }

  private static func withoutFlushes(_ world: World) throws {
    try world.makeTwoPages()
    unsafe FlushSwitch.turnElsewhere(off: true)
  }

  /// The frame is freed while the other processor may still use it.
  private static var flushForgotten: Scenario {
    Scenario(
      name: "wrong-unmap-read", about: "other processors are not asked to flush",
      checksCoherence: false, expected: "check", prepare: withoutFlushes,
      body: { world, number in
        if number == 0 { world.unmap(0, existing: true) } else { world.read(0) }
      })
  }

  /// Nothing is freed: the call only returns too early.
  private static var flushForgottenUnseen: Scenario {
    Scenario(
      name: "wrong-protect-write", about: "a right is left in the TLB of another processor",
      expected: "stale", prepare: withoutFlushes,
      body: { world, number in
        if number == 1 { return world.write(0) }
        world.protect(0, to: .read)
        world.expectNone(of: .writes, at: 0)
      })
  }

  /// Nothing is freed, and no one asks: the right is still there at the end.
  private static var flushForgottenAtEnd: Scenario {
    Scenario(
      name: "wrong-protect-end", about: "a right stays in the TLB of another processor",
      expected: "check", prepare: withoutFlushes,
      body: { world, number in
        if number == 1 { world.write(0) } else { world.protect(0, to: .read) }
      })
  }

  /// The second to get a reference loses it.
  private static var frameLost: Scenario {
    Scenario(
      name: "wrong-drop", about: "a reference to a frame is lost in one order", expected: "check",
      prepare: { world in
        let frame = try Frame(allocating: PlainMemory())
        (world.frames + 1).pointee = frame.share()
        (world.frames + 0).pointee = consume frame
      },
      body: { world, number in
        if number == 0 { world.drop(0) } else { world.loseLastReference(1) }
      })
  }

  private static var lockLeft: Scenario {
    Scenario(
      name: "wrong-lock", about: "the lock of a table stays held", expected: "check",
      prepare: { world in
        world.spaces[0] = try VmSpace()
        world.map(0)
      },
      body: { world, number in
        if number == 1 { world.lockRoot(0) } else { world.translate(0) }
      })
  }

  private static var kernelLockLeft: Scenario {
    Scenario(
      name: "wrong-kernel-lock", about: "the lock of the kernel's root stays held",
      expected: "check", prepare: { world in try world.mapKernel(0) },
      body: { world, number in
        if number == 1 {
          _ = KernelSpace.root.slot.tryLock()
        } else {
          world.readKernel(world.kernelAddress(0))
        }
      })
  }

  /// At the end all is right again.
  private static var repaired: Scenario {
    Scenario(
      name: "wrong-for-a-while", about: "a table has two owners for a while", expected: "moment",
      prepare: { world in
        world.spaces[0] = try VmSpace()
        world.map(0)
      },
      body: { world, number in
        if number == 1 { world.shareTableForAWhile(0) } else { world.query(0) }
      })
  }
}

extension World {
  /// Drops the reference at `index` unless it is the last one, which is lost.
  fileprivate func loseLastReference(_ index: Int) {
    guard let frame = (frames + index).pointee.take() else { return }
    let slot = FrameTable.slot(number: frame.address.rawValue >> 12)
    if slot.count == 1 { _ = frame.relinquish() }
  }

  /// Counts a second owner of a table, until its lock has been acquired and released.
  fileprivate func shareTableForAWhile(_ index: Int) {
    withSpace(index) { space in
      var table = space.root
      for shift in [39, 30, 21] as [UInt64] {
        let entry = table[Int(Self.pages[0].rawValue >> shift & 511)]
        // SAFETY: the space keeps its tables.
        table = unsafe PageTableNode(at: entry.tableAddress)
      }
      table.slot.setCount(2)
      if table.slot.tryLock() { table.slot.unlock() }
      table.slot.setCount(1)
    }
  }

  /// Acquires the lock of a root, and forgets it.
  fileprivate func lockRoot(_ index: Int) {
    withSpace(index) { _ = $0.root.slot.tryLock() }
  }
}
