/// What a walk does, and with what.
package struct WalkOptions {
  /// Walks with the same seed on the same frames are the same.
  package var seed: UInt64
  package var stepCount: Int
  /// The rules of all slots and of the allocator are checked after so many steps; the model is
  /// compared after each.
  package var fullCheckInterval = 1
  /// The number of the first frame of the walk, and how many there are, at most 192.
  package var firstFrame: UInt64 = 0
  package var frameCount: Int
  /// What a machine that can do so gives, to make the next allocation fail.
  package var machine: WalkMachine?
  /// What is done wrong on purpose, to see that the walk notices.
  package var sabotage: WalkSabotage?

  package init(seed: UInt64, stepCount: Int, frameCount: Int) {
    self.seed = seed
    self.stepCount = stepCount
    self.frameCount = frameCount
  }
}

/// What a simulated machine does for a walk, as functions without a context.
package struct WalkMachine {
  package var processorCount: Int
  /// Makes the next allocation fail.
  package var failNextAllocation: @convention(c) () -> Void
  /// Makes no allocation fail.
  package var failNoAllocation: @convention(c) () -> Void
  /// Makes the caller another processor.
  package var becomeProcessor: @convention(c) (Int) -> Void

  package init(
    processorCount: Int, failNextAllocation: @convention(c) () -> Void,
    failNoAllocation: @convention(c) () -> Void, becomeProcessor: @convention(c) (Int) -> Void
  ) {
    self.processorCount = processorCount
    self.failNextAllocation = failNextAllocation
    self.failNoAllocation = failNoAllocation
    self.becomeProcessor = becomeProcessor
  }
}

/// How a walk ended.
package struct WalkOutcome {
  /// How many steps were taken.
  package var stepCount = 0
  /// What differed between the model and the frames; nil if nothing did.
  package var problem: StaticString?
  /// The last operation.
  package var operation = WalkOperation.drop
  /// How often each operation did something, by its raw value.
  package var counts = InlineArray<40, Int>(repeating: 0)
  /// How many allocations were refused, for want of memory or because they were made to fail.
  package var refusalCount = 0
  /// The largest number of frames that were out at the same time.
  package var mostUsed: UInt64 = 0
  /// After how many steps the sabotage was done; nil if it was not.
  package var sabotagedStep: Int?

  /// How many operations did something.
  package var operationCount: Int {
    var sum = 0
    for number in 0..<WalkOperation.count { sum += counts[number] }
    return sum
  }
}

/// What can be done wrong on purpose in a walk.
package enum WalkSabotage: Int {
  /// A frame gets an owner that the model does not know.
  case strayOwner
  /// A frame loses an owner that the model knows.
  case lostOwner
  /// A frame is allocated behind the model's back.
  case leakedFrame
  /// A frame in use is marked as free.
  case freedInUse
  /// A free frame is marked as what it is not.
  case wrongMark
  /// The metadata of a frame changes.
  case changedMetadata
  /// The type of the metadata of a frame changes.
  case changedType
  /// A frame forgets that it goes back to the allocator.
  case forgottenOrigin
  /// A frame that is in no list says that it is in one.
  case strayListMember
  /// The last owner of a frame goes, and its metadata is not told.
  case lostDrop
  /// An allocation fails though there is memory.
  case unannouncedFailure
  /// Two frames of a list change places.
  case disorderedList
  /// A word of memory changes.
  case changedWord

  package static var count: Int { WalkSabotage.changedWord.rawValue + 1 }
}
