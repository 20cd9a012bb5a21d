package import TesseraHardware

/// What a run on address spaces does, and with what.
package struct RandomSpaceOptions {
  /// Runs with the same seed are the same, on any machine.
  package var seed: UInt64
  /// The least number of operations.
  package var operationCount: Int
  /// The number of steps after which everything is freed, and counted.
  package var episodeLength = 1000
  /// All pages and all invariants of frames are checked after so many steps; the pages that
  /// were touched, and the tables of their space, after each.
  package var fullCheckInterval = 50
  /// What a simulated machine gives.
  package var machine: RandomSpaceMachine?
  /// What is done wrong on purpose, to see that the run notices.
  package var injectedFault: InjectedSpaceFault?

  package init(seed: UInt64, operationCount: Int) {
    self.seed = seed
    self.operationCount = operationCount
  }
}

/// What a simulated machine does for a run, as functions without a context.
package struct RandomSpaceMachine {
  /// Makes the allocation with this number fail, counted from the next; for zero none.
  package var failAllocation: @convention(c) (Int) -> Void
  /// Whether nothing that a processor may have cached is wrong, and the page-table walk of the
  /// machine sees `physical` at `address` of the tables under `root`; for the highest number,
  /// nothing.
  package var translates:
    @convention(c) (_ root: UInt64, _ address: UInt64, _ physical: UInt64) -> Bool
  /// Whether no rule was broken that the machine watches, and nothing stale can be cached.
  package var isCoherent: @convention(c) () -> Bool

  package init(
    failAllocation: @convention(c) (Int) -> Void,
    translates: @convention(c) (_ root: UInt64, _ address: UInt64, _ physical: UInt64) -> Bool,
    isCoherent: @convention(c) () -> Bool
  ) {
    self.failAllocation = failAllocation
    self.translates = translates
    self.isCoherent = isCoherent
  }
}

/// What can be done wrong on purpose in a run.
package enum InjectedSpaceFault: Int {
  /// A frame that is mapped gets an owner that the run does not know.
  case extraOwner
  /// A leaf changes behind the run's back.
  case changedRights
  /// A leaf maps another frame.
  case changedTarget
  /// A node counts an entry more than it has.
  case wrongCount
  /// A node stays locked.
  case heldLock
  /// An allocation fails though there is memory.
  case unannouncedFailure
  /// A frame is allocated and leaks.
  case leakedFrame

  package static var count: Int { InjectedSpaceFault.leakedFrame.rawValue + 1 }
}

/// One thing that a run did, for people.
package struct LoggedSpaceOperation {
  package let name: StaticString
  /// 0 to 2; 3 is the kernel's.
  package let space: Int
  package let start: VirtualAddress
  package let byteCount: UInt64
  /// What else matters: an address, a status, a number.
  package let value: UInt64
}

/// How a run ended.
package struct RandomSpaceOutcome {
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
  /// The number of operations that failed for lack of memory.
  package var failureCount = 0
  /// The number of operations that failed for another reason.
  package var errorCount = 0
  /// After how many steps the fault was injected; nil if it was not.
  package var faultStep: Int?

  package init() {}
}
