/// What an entry of a run's model holds.
enum HandleKind: UInt8 {
  case none
  /// Handles to frames: of `Tally`, of `TracedMemory`, of any kind, of any memory.
  case frame, memory, any, untyped
  /// Handles to unique frames, of `Tally` and `TracedMemory`.
  case unique, uniqueMemory
  /// Segments, as for frames.
  case segment, memorySegment, anySegment, untypedSegment
  /// A list of unique frames.
  case list
  /// Frames that are tracked by address alone.
  case raw
  /// A count that was relinquished, shared or unique.
  case relinquished, relinquishedUnique

  /// Whether the frames of such an entry have one owner.
  var isUnique: Bool {
    self == .unique || self == .uniqueMemory || self == .list || self == .relinquishedUnique
  }

  /// Whether it is a handle to one frame that may have other owners.
  var isFrame: Bool { self == .frame || self == .memory || self == .any || self == .untyped }

  var isSegment: Bool {
    self == .segment || self == .memorySegment || self == .anySegment || self == .untypedSegment
  }

  /// Whether the handle gives access to memory.
  var isWritable: Bool {
    self == .memory || self == .untyped || self == .uniqueMemory || self == .memorySegment
      || self == .untypedSegment
  }

  /// The kind of segment that a frame of this kind makes, and the kind of frame that is taken off
  /// such a segment.
  var counterpart: HandleKind {
    switch self {
    case .frame: .segment
    case .memory: .memorySegment
    case .any: .anySegment
    case .untyped: .untypedSegment
    case .segment: .frame
    case .memorySegment: .memory
    case .anySegment: .any
    case .untypedSegment: .untyped
    default: .none
    }
  }
}
