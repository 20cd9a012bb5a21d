/// What a walk through the heap does.
package struct RandomHeapOptions {
  /// Walks with the same seed are the same, on any machine.
  package var seed: UInt64
  package var operationCount: Int
  /// How many objects there can be at once.
  package var objectCount = 600
  /// All objects and the statistics are checked after so many operations.
  package var checkInterval = 500
  /// How many processors allocate and free.
  package var processorCount = 1
  /// Makes the caller go on as another processor; nil if there is one.
  package var become: (@convention(c) (_ processor: Int) -> Void)?
  /// Makes the allocation of frames with this number fail, counted from the next; for zero none.
  /// Nil if that cannot be.
  package var failAllocation: (@convention(c) (Int) -> Void)?
  /// Whether a byte of an object changes behind the walk's back, to see that it notices.
  package var isSpoiled = false

  package init(seed: UInt64, operationCount: Int) {
    self.seed = seed
    self.operationCount = operationCount
  }
}

/// How a walk through the heap ended.
package struct RandomHeapOutcome {
  package var operationCount = 0
  /// What differed between the model and reality; nil if nothing did.
  package var problem: StaticString?
  /// The address of the object that it was.
  package var address: UInt = 0
  package var allocationCount = 0
  package var freeCount = 0
  /// How many objects another processor freed than the one that allocated them.
  package var crossFreeCount = 0
  package var resizeCount = 0
  package var moveCount = 0
  /// How many operations failed for lack of memory.
  package var failureCount = 0
  package var largeCount = 0
  package var mappedCount: UInt64 = 0

  package init() {}
}
