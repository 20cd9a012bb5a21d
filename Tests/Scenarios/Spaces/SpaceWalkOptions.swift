package import TesseraHardware

/// What a walk through address spaces does, and with what.
package struct SpaceWalkOptions {
  /// Walks with the same seed are the same, on any machine.
  package var seed: UInt64
  /// How many operations there are to be, at least.
  package var operationCount: Int
  /// After so many steps everything is given back, and counted.
  package var episodeLength = 1000
  /// All pages are looked at, and all rules of frames checked, after so many steps; the pages that
  /// were touched, and the tables of their space, after each.
  package var fullCheckInterval = 50
  /// What a simulated machine gives.
  package var machine: SpaceWalkMachine?
  /// What is done wrong on purpose, to see that the walk notices.
  package var sabotage: SpaceWalkSabotage?

  package init(seed: UInt64, operationCount: Int) {
    self.seed = seed
    self.operationCount = operationCount
  }
}

/// What a simulated machine does for a walk, as functions without a context.
package struct SpaceWalkMachine {
  /// Makes the allocation with this number fail, counted from the next; for zero none.
  package var failAllocation: @convention(c) (Int) -> Void
  /// Whether nothing that a processor may have cached is wrong, and the walker of the machine sees
  /// `physical` at `address` of the tables under `root`; for the highest number, nothing.
  package var shows: @convention(c) (_ root: UInt64, _ address: UInt64, _ physical: UInt64) -> Bool
  /// Whether no rule was broken that the machine watches, and nothing stale can be cached.
  package var isCoherent: @convention(c) () -> Bool

  package init(
    failAllocation: @convention(c) (Int) -> Void,
    shows: @convention(c) (_ root: UInt64, _ address: UInt64, _ physical: UInt64) -> Bool,
    isCoherent: @convention(c) () -> Bool
  ) {
    self.failAllocation = failAllocation
    self.shows = shows
    self.isCoherent = isCoherent
  }
}

/// What can be done wrong on purpose in a walk.
package enum SpaceWalkSabotage: Int {
  /// A frame that is mapped gets an owner that the walk does not know.
  case strayOwner
  /// A leaf changes behind the walk's back.
  case changedRights
  /// A leaf shows another frame.
  case changedTarget
  /// A node counts an entry more than it has.
  case wrongCount
  /// A node stays locked.
  case strayLock
  /// An allocation fails though there is memory.
  case unannouncedFailure
  /// A frame is allocated and nobody has it.
  case leakedFrame

  package static var count: Int { SpaceWalkSabotage.leakedFrame.rawValue + 1 }
}

/// One thing that a walk did, for people.
package struct SpaceWalkNote {
  package let name: StaticString
  /// 0 to 2; 3 is the kernel's.
  package let space: Int
  package let start: VirtualAddress
  package let byteCount: UInt64
  /// What else matters: an address, a status, a number.
  package let value: UInt64
}

/// How a walk ended.
package struct SpaceWalkOutcome {
  package var operationCount = 0
  package var stepCount = 0
  /// What differed between the model and reality; nil if nothing did.
  package var problem: StaticString?
  /// Where, if it has an address.
  package var address: UInt64 = 0
  /// How many episodes there were, each with a seed of its own.
  package var episodeCount = 0
  /// The seed of the last episode, and how many of its steps were taken.
  package var episodeSeed: UInt64 = 0
  package var episodeStepCount = 0
  /// How often each operation was done.
  package var counts = InlineArray<32, Int>(repeating: 0)
  /// How many operations were refused for want of memory.
  package var refusalCount = 0
  /// How many operations were refused for another reason.
  package var errorCount = 0
  /// After how many steps the sabotage was done; nil if it was not.
  package var sabotagedStep: Int?

  package init() {}
}
