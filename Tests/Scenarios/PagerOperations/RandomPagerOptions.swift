/// What a walk through the pager does, and on what.
package struct RandomPagerOptions {
  /// A mistake that is made on purpose, to see that the walk notices.
  package enum Sabotage {
    /// A word of a page changes by itself.
    case changesWord
    /// The stores lose one write.
    case losesWrite
    /// The rest of a page behind the end of its object is not zeros.
    case leavesRest
  }

  /// Walks with the same seed draw the same operations, on any machine. What comes of them depends
  /// on which pages the machine has taken away.
  package var seed: UInt64
  package var operationCount: Int
  /// The number of operations after which everything is freed, and counted.
  package var episodeLength = 2000
  /// All invariants, and all pages that are in memory, are checked after so many operations.
  package var fullCheckInterval = 500
  /// Whether the stores finish most transfers later, in any order.
  package var isSlow: Bool
  /// Whether to have the pager visit all frames now and then, not only those that the walk uses.
  package var usesClock = true
  package var sabotage: Sabotage?
  package var machine: PagingMachine

  package init(seed: UInt64, operationCount: Int, isSlow: Bool, machine: PagingMachine) {
    self.seed = seed
    self.operationCount = operationCount
    self.isSlow = isSlow
    self.machine = machine
  }
}

/// How a walk ended.
package struct RandomPagerOutcome {
  package var operationCount = 0
  /// What differed between the model and reality; nil if nothing did.
  package var problem: StaticString?
  /// In which space, and at which address, if it has one.
  package var space = 0
  package var address: UInt64 = 0
  package var episodeCount = 0
  /// The seed of the last episode, and how many of its operations were done.
  package var episodeSeed: UInt64 = 0
  package var episodeOperationCount = 0
  /// How often each operation was done.
  package var counts = InlineArray<32, Int>(repeating: 0)
  package var faultCount = 0
  /// How often a page was waited for, and how often one was answered `failed`.
  package var waitCount = 0
  package var failedCount = 0
  /// How often there was no frame, because an allocation was made to fail, and because nothing more
  /// could be taken away.
  package var failureCount = 0
  package var outOfFramesCount = 0
  /// The number of pages that were taken away.
  package var freedCount = 0
  /// The number of private pages that outlived the object's page that they were copied from.
  package var survivorCount = 0
  /// The numbers of transfers, and of those that were finished later.
  package var readCount = 0
  package var writeCount = 0
  package var laterCount = 0
  /// The last operations, the one with number `operationCount` at its remainder by their number.
  package var log = [8 of LoggedPagerOperation?](repeating: nil)

  package init() {}
}
