internal import TesseraFrames

/// Something real that a run holds.
enum HeldHandle: ~Copyable {
  case frame(Frame<TracedObject>)
  case memory(Frame<TracedMemory>)
  case any(AnyFrame)
  case untyped(UntypedFrame)
  case unique(UniqueFrame<TracedObject>)
  case uniqueMemory(UniqueFrame<TracedMemory>)
  case segment(Segment<TracedObject>)
  case memorySegment(Segment<TracedMemory>)
  case anySegment(AnySegment)
  case untypedSegment(UntypedSegment)
  case list(HeldList)
  /// Nothing: the model alone knows the address.
  case address
}

/// A list of a run.
struct HeldList: ~Copyable {
  var frames = FrameList<TracedObject>()

  // As for `HandlePlace`.
  deinit {}
}

/// Where a run keeps one handle.
struct HandlePlace: ~Copyable {
  private var handle: HeldHandle?

  mutating func put(_ handle: consuming HeldHandle) { self.handle = consume handle }

  mutating func take() -> HeldHandle? { handle.take() }

  mutating func clear() { handle = nil }

  // Says nothing, and must be there: for the elements of an inline array the compiler finds the
  // destructors of generic types in Embedded Swift only by way of one that is not generic.
  deinit {}
}
