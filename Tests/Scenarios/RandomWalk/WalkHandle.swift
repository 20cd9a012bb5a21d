internal import TesseraFrames

/// Something real that a walk holds.
enum WalkHandle: ~Copyable {
  case frame(Frame<Tally>)
  case memory(Frame<TallyMemory>)
  case any(AnyFrame)
  case untyped(UntypedFrame)
  case unique(UniqueFrame<Tally>)
  case uniqueMemory(UniqueFrame<TallyMemory>)
  case segment(Segment<Tally>)
  case memorySegment(Segment<TallyMemory>)
  case anySegment(AnySegment)
  case untypedSegment(UntypedSegment)
  case list(WalkList)
  /// Nothing: the model alone knows the address.
  case address
}

/// A list of a walk.
struct WalkList: ~Copyable {
  var frames = FrameList<Tally>()

  // As for `WalkPlace`.
  deinit {}
}

/// Where a walk keeps one handle.
struct WalkPlace: ~Copyable {
  private var handle: WalkHandle?

  mutating func put(_ handle: consuming WalkHandle) { self.handle = consume handle }

  mutating func take() -> WalkHandle? { handle.take() }

  mutating func clear() { handle = nil }

  // Says nothing, and must be there: for the elements of an inline array the compiler finds the
  // destructors of generic types in Embedded Swift only by way of one that is not generic.
  deinit {}
}
