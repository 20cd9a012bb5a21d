import SimulatedMachine
import TesseraFaults
import TesseraPageTables
import TesseraSpaces

// A store that finishes later: what uses a page, against the end of a transfer that has begun. The
// spaces are on no processor, so that there are few schedules.
extension Scenario {
  static var transfers: [Scenario] {
    [
      readAndFault, readAndFaults, readAndFail, readAndUnmap, readAndDestroy, readAndTruncate,
      readAtTheEnd, readAndRead, writtenAndWrite, writtenAndFault, writtenAndReclaim,
      writtenAndSynchronize, writtenAndUnmap, writtenAndFork, writtenInVain, writeAndFail,
      faultAndFinish,
    ]
  }

  /// The first processor runs `body`, and the second finishes what has begun, or runs `other`.
  private static func scenario(
    _ name: StaticString, _ about: StaticString, succeeding: Bool = true,
    prepare: @escaping (World) throws -> Void, body: @escaping (World) -> Void,
    other: ((World) -> Void)? = nil, check: @escaping (World) -> String?
  ) -> Scenario {
    Scenario(
      name: name, about: about, hasStoreBuffers: true, isLinear: false, isBrief: true,
      prepare: { world in
        try world.startPaging()
        try prepare(world)
        for number in 0..<3 where number < world.scenario.processorCount {
          asProcessor(number) {
            world.allocateObject(9)
            world.freeObject(9)
          }
        }
        world.fillCaches()
      },
      body: { world, number in
        if number == 0 { return body(world) }
        if number == 1, let other { return other(world) }
        world.finishTransfers(succeeding: succeeding)
      }, check: check)
  }

  private static func expect(
    _ expected: [UInt64]?, in space: Int = 0, of page: Int = 0, _ world: World
  ) -> String? {
    let found = world.words(of: page, in: space)
    return found == expected ? nil : "space \(space) has \(found ?? []), not \(expected ?? [])"
  }

  /// An anonymous page with a word of the first processor's, which is being written to be taken
  /// away.
  private static func beingTakenAway(_ world: World) throws {
    world.setDemandZero(0)
    world.storeResolving(0)
    world.makeOld()
    world.makeStoresSlow()
    world.reclaim()
  }

  /// The same page, in swap, which is being read.
  private static func beingBrought(_ world: World) throws {
    try beingTakenAway(world)
    world.finishTransfers()
    world.reclaim()
    world.resolve(.read, 0)
  }

  /// A page of a file that is being read.
  private static func beingRead(_ page: Int) -> (World) throws -> Void {
    { world in
      try world.makeObject(isFile: true)
      world.mapObject()
      world.makeStoresSlow()
      world.resolve(.read, page)
    }
  }

  /// A page of a file with a word of the first processor's, which is being written.
  private static func beingWritten(_ world: World) throws {
    try world.makeObject(isFile: true)
    world.mapObject()
    world.storeResolving(0)
    world.makeOld()
    world.makeStoresSlow()
    world.synchronize(wordOf: 0)
  }
}

// A page that is being read.
extension Scenario {
  private static var readAndFault: Scenario {
    scenario(
      "finish-fault", "a page that is being read is used", prepare: beingBrought,
      body: { world in world.loadResolving(0, wordOf: 0) },
      check: { world in
        world.result(of: 0, fromEnd: 1) == 0
          ? "the page was read without what is in it" : expect([0, 1, 0], world)
      })
  }

  private static var readAndFaults: Scenario {
    var all = scenario(
      "finish-fault-fault", "two faults want a page that is being read, which a third finishes",
      prepare: beingBrought, body: { world in world.resolve(.read, 0) },
      other: { world in world.resolve(.write, 0) },
      check: { world in expect([0, 1, 0, 0], world) })
    all.processorCount = 3
    all.hasStoreBuffers = false
    return all
  }

  /// The fault fails, or comes too late to notice and reads the page itself.
  private static var readAndFail: Scenario {
    scenario(
      "finish-failed-fault", "a page is used that is being read in vain", succeeding: false,
      prepare: beingBrought, body: { world in world.resolve(.read, 0) },
      check: { world in expect([0, 1, 0], world) })
  }

  private static var readAndUnmap: Scenario {
    scenario(
      "finish-unmap", "a page that is being read is unmapped", prepare: beingBrought,
      body: { world in world.unmap(0, existing: true) },
      check: { world in expect(nil, world) })
  }

  private static var readAndDestroy: Scenario {
    scenario(
      "finish-destroy", "the space of a page that is being read is destroyed",
      prepare: beingBrought, body: { world in world.destroy() }, check: { _ in nil })
  }

  /// What was behind the end does not come back, whether it is read before or after.
  private static var readAndTruncate: Scenario {
    scenario(
      "finish-truncate", "an object comes to end in a page that is being read",
      prepare: beingRead(1), body: { world in world.resize(to: 4096 + 16) },
      check: { world in
        // The page may have been busy.
        world.resize(to: 4096 + 16)
        world.resize(to: 8192)
        return expect([101, 0, 0], of: 1, world)
      })
  }

  /// What the file has behind the end of the object is never seen.
  private static var readAtTheEnd: Scenario {
    scenario(
      "finish-at-end", "the last page of an object, which ends in it, is used while it is read",
      prepare: { world in
        try world.makeObject(isFile: true, byteCount: 4096 + 16)
        world.mapObject()
        world.makeStoresSlow()
        world.resolve(.read, 1)
      },
      body: { world in world.loadResolving(1, wordOf: 1) },
      check: { world in
        let isRight = [0, 1000].contains(world.result(of: 0, fromEnd: 1))
        return isRight
          ? expect([101, 0, 0], of: 1, world) : "what is behind the end of an object was read"
      })
  }

  private static var readAndRead: Scenario {
    scenario(
      "finish-file-fault", "a page of a file that is being read is used", prepare: beingRead(0),
      body: { world in world.storeResolving(0) },
      check: { world in
        expect([100, world.result(of: 0, fromEnd: 1) == 1 ? 1 : 0, 0], world)
      })
  }
}

// A page that is being written.
extension Scenario {
  /// What is written meanwhile gets to the store the next time.
  private static var writtenAndWrite: Scenario {
    scenario(
      "finish-write", "a page of a file that is being written is written again",
      prepare: beingWritten, body: { world in world.store(0, word: 2) },
      check: { world in
        world.finishTransfers()
        world.synchronizeAll()
        return world.storedWord(1) == 1 && world.storedWord(2) == 1
          ? expect([100, 1, 1], world) : "a write did not get to the store"
      })
  }

  /// The page is taken out of the frame of its slot, or is used as that.
  private static var writtenAndFault: Scenario {
    scenario(
      "finish-reclaim-write", "a page that is being written to be taken away is written",
      prepare: beingTakenAway, body: { world in world.storeResolving(0, word: 2) },
      check: { world in
        world.makeOld()
        world.reclaim()
        world.finishTransfers()
        world.reclaim()
        return expect([0, 1, 1], world)
      })
  }

  private static var writtenAndReclaim: Scenario {
    scenario(
      "finish-reclaim", "a page that is being written is taken away", prepare: beingTakenAway,
      body: { world in world.reclaim() }, check: { world in expect([0, 1, 0], world) })
  }

  private static var writtenAndSynchronize: Scenario {
    scenario(
      "finish-synchronize", "a page that is being written has to be in its store",
      prepare: beingWritten, body: { world in world.synchronize(wordOf: 0) },
      check: { world in
        world.result(of: 0, fromEnd: 1) == 0
          ? "the store was said to have what it had not" : expect([100, 1, 0], world)
      })
  }

  private static var writtenAndUnmap: Scenario {
    scenario(
      "finish-reclaim-unmap", "a page that is being written to be taken away is unmapped",
      prepare: beingTakenAway, body: { world in world.unmap(0, existing: true) },
      check: { world in expect(nil, world) })
  }

  private static var writtenAndFork: Scenario {
    scenario(
      "finish-reclaim-fork", "the space of a page that is being taken away is forked",
      prepare: beingTakenAway, body: { world in world.fork(0, to: 1) },
      check: { world in expect([0, 1, 0], world) ?? expect([0, 1, 0], in: 1, world) })
  }

  /// The page stays dirty, and is written again.
  private static var writtenInVain: Scenario {
    scenario(
      "finish-failed-write", "a page of a file that is being written in vain is written again",
      succeeding: false, prepare: beingWritten,
      body: { world in
        world.store(0, word: 2)
        world.synchronize(wordOf: 1)
      },
      check: { world in
        world.synchronizeAll()
        return world.storedWord(1) == 1 && world.storedWord(2) == 1
          ? expect([100, 1, 1], world) : "a write did not get to the store"
      })
  }

  /// The transfer begins as well, and fails before the call that has begun it returns.
  private static var writeAndFail: Scenario {
    scenario(
      "write-back-fail", "a page of a file is written to a store that fails later",
      prepare: { world in
        try world.makeObject(isFile: true)
        world.mapObject()
        world.storeResolving(0)
        world.makeStoresSlow()
      },
      body: { world in world.synchronize(wordOf: 0) },
      other: { world in world.finishTransfers(succeeding: false) },
      check: { world in
        world.finishTransfers()
        world.synchronizeAll()
        return world.storedWord(1) == 1
          ? expect([100, 1, 0], world) : "a write did not get to the store"
      })
  }

  /// The transfer begins as well.
  private static var faultAndFinish: Scenario {
    scenario(
      "bring-finish", "a page is read by a store that finishes later",
      prepare: { world in
        try beingTakenAway(world)
        world.finishTransfers()
        world.reclaim()
      },
      body: { world in world.loadResolving(0, wordOf: 0) },
      other: { world in world.awaitTransfer() },
      check: { world in
        world.result(of: 0, fromEnd: 1) == 0
          ? "the page was read without what is in it" : expect([0, 1, 0], world)
      })
  }
}
