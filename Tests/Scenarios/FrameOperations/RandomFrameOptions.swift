/// What a run does, and with what.
package struct RandomFrameOptions {
  /// Runs with the same seed on the same frames are the same.
  package var seed: UInt64
  package var stepCount: Int
  /// The rules of all slots and of the allocator are checked after so many steps; the model is
  /// compared after each.
  package var fullCheckInterval = 1
  /// The number of the first frame of the run, and how many there are, at most 192.
  package var firstFrame: UInt64 = 0
  package var frameCount: Int
  /// What a machine that can do so gives, to make the next allocation fail.
  package var machine: RandomFrameMachine?
  /// What is done wrong on purpose, to see that the run notices.
  package var injectedFault: InjectedFrameFault?

  package init(seed: UInt64, stepCount: Int, frameCount: Int) {
    self.seed = seed
    self.stepCount = stepCount
    self.frameCount = frameCount
  }
}

/// What a simulated machine does for a run, as functions without a context.
package struct RandomFrameMachine {
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

/// How a run ended.
package struct RandomFrameOutcome {
  /// How many steps were taken.
  package var stepCount = 0
  /// What differed between the model and the frames; nil if nothing did.
  package var problem: StaticString?
  /// The last operation.
  package var operation = FrameOperation.drop
  /// How often each operation did something, by its raw value.
  package var counts = InlineArray<40, Int>(repeating: 0)
  /// The number of allocations that failed, for lack of memory or by injection.
  package var failureCount = 0
  /// The largest number of frames that were out at the same time.
  package var mostUsed: UInt64 = 0
  /// After how many steps the fault was injected; nil if it was not.
  package var faultStep: Int?

  /// How many operations did something.
  package var operationCount: Int {
    var sum = 0
    for number in 0..<FrameOperation.count { sum += counts[number] }
    return sum
  }
}

/// What can be done wrong on purpose in a run.
package enum InjectedFrameFault: Int {
  /// A frame gets an owner that the model does not know.
  case extraOwner
  /// A frame loses an owner that the model knows.
  case lostOwner
  /// A frame is allocated behind the model's back.
  case leakedFrame
  /// A frame in use is marked as free.
  case freedInUse
  /// A free frame is marked as what it is not.
  case wrongKind
  /// The metadata of a frame changes.
  case changedMetadata
  /// The type of the metadata of a frame changes.
  case changedType
  /// A frame forgets that it goes back to the allocator.
  case forgottenOrigin
  /// A frame that is in no list says that it is in one.
  case falseListMember
  /// The last owner of a frame goes, and its metadata is not told.
  case lostDrop
  /// An allocation fails though there is memory.
  case unannouncedFailure
  /// Two frames of a list change places.
  case disorderedList
  /// A word of memory changes.
  case changedWord

  package static var count: Int { InjectedFrameFault.changedWord.rawValue + 1 }
}
