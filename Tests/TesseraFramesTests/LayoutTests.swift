import TesseraFrames
import TesseraHardware
import Testing

@Suite("Layout") struct LayoutTests {
  @Test func `a slot has 64 bytes, and a page holds whole slots`() {
    #expect(MemoryLayout<FrameSlot>.size == 64)
    #expect(MemoryLayout<FrameSlot>.stride == 64)
    #expect(FrameSlot.byteCount == 64)
    #expect(4096 % MemoryLayout<FrameSlot>.stride == 0)
  }

  @Test func `metadata and links share a slot's storage without touching the count`() {
    #expect(FrameSlot.storageByteCount == 40)
    #expect(
      FrameSlot.listableByteCount + MemoryLayout<FrameLinks>.size == FrameSlot.storageByteCount)
    #expect(MemoryLayout<FrameLinks>.size == 16)
  }

  @Test func `handles are one word, also when optional`() {
    #expect(MemoryLayout<Frame<PlainMemory>>.size == 8)
    #expect(MemoryLayout<Frame<PlainMemory>?>.size == 8)
    #expect(MemoryLayout<AnyFrame?>.size == 8)
    #expect(MemoryLayout<UntypedFrame?>.size == 8)
    #expect(MemoryLayout<UniqueFrame<PlainMemory>?>.size == 8)
    #expect(MemoryLayout<BorrowedFrame<PlainMemory>>.size == 8)
    #expect(MemoryLayout<Segment<PlainMemory>>.size == 16)
    #expect(MemoryLayout<FrameListCursor>.size == 8)
  }

  @Test func `empty metadata has no size`() {
    #expect(MemoryLayout<PlainMemory>.size == 0)
    #expect(MemoryLayout<PermanentUse>.size == 0)
  }
}

@Suite("Kind of a frame") struct FrameKindTests {
  private struct First: FrameMetadata {
    static var destructor: FrameMetadataDestructor { { unsafe First.destroy(at: $0) } }
  }

  private struct Second: FrameMetadata {
    static var destructor: FrameMetadataDestructor { { unsafe Second.destroy(at: $0) } }
  }

  @Test func `types with identical members are distinguished`() {
    #expect(FrameKind.of(First.self).hasSameMetadata(as: .of(First.self)))
    #expect(!FrameKind.of(First.self).hasSameMetadata(as: .of(Second.self)))
  }

  @Test func `the allocated bit does not change the type of the metadata`() {
    let kind = FrameKind.of(First.self)
    #expect(kind.allocated.hasSameMetadata(as: kind))
    #expect(kind.used(for: .kernel).hasSameMetadata(as: kind))
    #expect(kind.used(for: .kernel).usage == .kernel)
    #expect(kind.allocated.usage == .object)
    #expect(kind.allocated.isAllocated && !kind.isAllocated)
  }

  @Test func `the kind has the role of the metadata type`() {
    #expect(FrameKind.of(PlainMemory.self).isUntyped)
    #expect(!FrameKind.of(First.self).isUntyped)
    #expect(FrameKind.of(First.self).hasDestructor)
    #expect(!FrameKind.of(PlainMemory.self).hasDestructor)
    #expect(FrameKind.of(First.self).size == .fourKiB)
  }

  @Test func `a destructor round-trips through the kind`() {
    let inside = unsafe unsafeBitCast(FrameKind.of(First.self).destructor, to: UInt.self)
    let given = unsafe unsafeBitCast(First.destructor, to: UInt.self)
    #expect(inside == given)
  }

  @Test func `each order of a free block round-trips`() {
    for order in 0..<31 {
      let kind = FrameKind.freeBlock(order: order)
      #expect(kind.freeBlockOrder == order)
      #expect(!kind.hasMetadata && !kind.isCached && kind.isAllocated)
    }
    #expect(FrameKind.plain.freeBlockOrder == nil && FrameKind.cached.freeBlockOrder == nil)
    #expect(FrameKind.cached.isCached && !FrameKind.plain.isCached)
  }
}
