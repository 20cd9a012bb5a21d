internal import TesseraFrames
internal import TesseraHardware

/// Metadata that cannot be copied, and tells the ledger also when it is destroyed.
struct MoveOnlyObject: FrameMetadata, ~Copyable {
  let value: UInt64

  // SAFETY: handed on to the caller of the destructor.
  static var destructor: FrameMetadataDestructor { { unsafe MoveOnlyObject.destroy(at: $0) } }

  mutating func onDrop(_ contents: FrameContents) {
    DropStatistics.note(value, contents.address, word: DropStatistics.destructionCount)
  }

  deinit { DropStatistics.noteDestruction() }
}

/// Metadata that fills its slot to the last byte.
struct FullMetadata: FrameMetadata {
  let words: InlineArray<5, UInt64>

  init(_ seed: UInt64) { words = InlineArray { seed &+ UInt64($0) &* 0x0101_0101_0101_0101 } }

  // SAFETY: handed on to the caller of the destructor.
  static var destructor: FrameMetadataDestructor { { unsafe FullMetadata.destroy(at: $0) } }
  static var hasDestructor: Bool { false }

  static func == (left: FullMetadata, right: FullMetadata) -> Bool {
    for index in 0..<5 where left.words[index] != right.words[index] { return false }
    return true
  }
}

/// Metadata that tries to reach its own frame while it is dropped.
struct ReentrantObject: FrameMetadata {
  /// The error that every attempt must throw.
  let expected: TesseraError

  // SAFETY: handed on to the caller of the destructor.
  static var destructor: FrameMetadataDestructor { { unsafe ReentrantObject.destroy(at: $0) } }

  mutating func onDrop(_ contents: FrameContents) {
    let address = contents.address
    let sharing = ThrownError.of { () throws(TesseraError) in _ = try AnyFrame(sharing: address) }
    let claiming = ThrownError.of { () throws(TesseraError) in
      _ = try Frame(claiming: address, metadata: PlainMemory())
    }
    if sharing == expected { DropStatistics.noteFailure() }
    if claiming == expected { DropStatistics.noteFailure() }
  }
}
