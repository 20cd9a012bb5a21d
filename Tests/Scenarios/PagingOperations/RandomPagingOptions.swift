/// What a walk through paging does, and on what.
package struct RandomPagingOptions {
  /// Walks with the same seed are the same, on any machine.
  package var seed: UInt64
  package var operationCount: Int
  /// The number of operations after which everything is freed, and counted.
  package var episodeLength = 1000
  /// All pages and all invariants are checked after so many operations; some of those that were
  /// touched after each.
  package var fullCheckInterval = 250
  package var machine: PagingMachine
  /// Whether a word changes behind the walk's back, to see that it notices.
  package var isSpoiled = false

  package init(seed: UInt64, operationCount: Int, machine: PagingMachine) {
    self.seed = seed
    self.operationCount = operationCount
    self.machine = machine
  }
}

/// What the machine does for a walk, as functions without a context.
package struct PagingMachine {
  /// Makes the allocation with this number fail, counted from the next; for zero none. Nil if that
  /// cannot be.
  package var failAllocation: (@convention(c) (Int) -> Void)?
  /// Does what a program would: reads the word at the address for 0, writes `word` there for 1,
  /// executes what is there for 2. Returns the word that was read.
  package var access: @convention(c) (_ kind: Int, _ address: UInt64, _ word: UInt64) -> UInt64
  /// The error code of the page fault at the address of the last access, with bit 32 set; zero if
  /// there was none.
  package var lastFault: @convention(c) () -> UInt64
  /// Whether a walk of the machine's through the tables under `root` ends at `physical`; for the
  /// highest number, nowhere.
  package var translates:
    @convention(c) (_ root: UInt64, _ address: UInt64, _ physical: UInt64) -> Bool
  /// Whether no rule was broken that the machine watches, and nothing stale can be cached.
  package var isCoherent: @convention(c) () -> Bool
  /// Whether a page can be executed without harm.
  package var canExecute: Bool
  /// The physical address of 8 pages of memory that is no frame's; nil if there is none.
  package var deviceMemory: UInt64?

  package init(
    failAllocation: (@convention(c) (Int) -> Void)?,
    access: @convention(c) (_ kind: Int, _ address: UInt64, _ word: UInt64) -> UInt64,
    lastFault: @convention(c) () -> UInt64,
    translates: @convention(c) (_ root: UInt64, _ address: UInt64, _ physical: UInt64) -> Bool,
    isCoherent: @convention(c) () -> Bool, canExecute: Bool, deviceMemory: UInt64? = nil
  ) {
    self.failAllocation = failAllocation
    self.access = access
    self.lastFault = lastFault
    self.translates = translates
    self.isCoherent = isCoherent
    self.canExecute = canExecute
    self.deviceMemory = deviceMemory
  }
}

/// How a walk ended.
package struct RandomPagingOutcome {
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
  /// How many faults had each answer: as the cases of `PageSupply`, then denied, needs a page, and
  /// out of frames.
  package var answers = InlineArray<8, Int>(repeating: 0)
  package var largePageCount = 0
  /// The number of operations that failed for lack of memory, and for other reasons.
  package var failureCount = 0
  package var errorCount = 0
  /// The last operations, the one with number `operationCount` at its remainder by their number.
  package var log = [8 of LoggedPagingOperation?](repeating: nil)

  package init() {}
}
