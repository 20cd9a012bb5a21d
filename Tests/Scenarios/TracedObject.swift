package import TesseraFrames

/// Metadata of an object, which tells the ledger when it is dropped.
package struct TracedObject: FrameMetadata, Equatable {
  package var value: UInt64

  package init(_ value: UInt64) { self.value = value }

  // SAFETY: handed on to the caller of the destructor.
  package static var destructor: FrameMetadataDestructor { { unsafe TracedObject.destroy(at: $0) } }

  package mutating func onDrop(_ contents: FrameContents) {
    DropStatistics.note(value, contents.address, word: 0)
  }
}

/// Metadata of plain memory, which tells the ledger when it is dropped, with the first word.
package struct TracedMemory: UntypedFrameMetadata, Equatable {
  package var value: UInt64

  package init(_ value: UInt64) { self.value = value }

  // SAFETY: handed on to the caller of the destructor.
  package static var destructor: FrameMetadataDestructor {
    { unsafe TracedMemory.destroy(at: $0) }
  }

  package mutating func onDrop(_ contents: FrameContents) {
    DropStatistics.note(value, contents.address, word: contents.word(at: 0))
  }
}
