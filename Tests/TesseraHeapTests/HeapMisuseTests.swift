import CTessera
import SimulatedMachine
import Tessera
import Testing

@testable import TesseraHeap

/// A wrong use of the heap.
enum HeapMisuse: String, CaseIterable, Codable, Sendable {
  case freedTwice, freedTwiceByAnother, freedTwiceAcross, freedInside, freedBehind
  case freedLargeTwice, freedInsideLarge, freedTail, freedMappedTwice, freedMappedInside
  case freedPageTable, freedFreeFrame, freedFrameWithHandle, freedRecord, freedOutside
  case resizedFree, askedOfFree, wroteToFreedLink, stoppedInUse
  case negativeSize, wrongAlignment
  // With what a check build has besides.
  case wroteBehind, wroteBehindLarge, wroteToFree, resizedOverrun, shrunkOverrun

  var isOfCheckBuild: Bool {
    switch self {
    case .wroteBehind, .wroteBehindLarge, .wroteToFree, .resizedOverrun, .shrunkOverrun: true
    default: false
    }
  }

  /// How the panic begins.
  var sentence: String {
    switch self {
    case .freedTwice, .freedTwiceByAnother, .freedTwiceAcross, .freedLargeTwice:
      "freed an object that is free already: 0x"
    case .freedInside, .freedBehind, .freedInsideLarge, .freedTail:
      "freed an address in an object: 0x"
    case .freedMappedTwice, .freedMappedInside:
      "freed an address of the kernel area at which no object begins: 0x"
    case .freedPageTable, .freedFreeFrame, .freedFrameWithHandle, .freedRecord:
      "freed an address that is not the heap's: 0x"
    case .freedOutside: "freed an address outside of the memory of the heap: 0x"
    case .resizedFree, .askedOfFree: "no object in use begins at the address: 0x"
    case .wroteToFreedLink, .wroteToFree:
      "an object of the heap was written to after it was freed"
    case .stoppedInUse: "the heap was stopped with an object in use"
    case .negativeSize: "the size of an object is negative"
    case .wrongAlignment: "alignment is not a power of two"
    case .wroteBehind, .wroteBehindLarge, .resizedOverrun, .shrunkOverrun:
      "wrote beyond the end of an object of the heap: 0x"
    }
  }

  /// What else the panic says of the address.
  var detail: String {
    switch self {
    case .freedTwice, .freedTwiceByAnother, .freedTwiceAcross:
      ", object 0 of 64 bytes at 0x"
    case .freedInside: ", object 0 of 64 bytes at 0x"
    case .freedBehind: ", object 84 of 48 bytes at 0x"
    case .freedInsideLarge, .freedTail: ", in an object of several pages"
    case .freedPageTable: ", in a frame that is a page table"
    case .freedFreeFrame, .freedLargeTwice: ""
    case .freedFrameWithHandle: ", in a frame that has handles or mappings"
    case .freedRecord: ", in a frame of the heap's own records"
    case .wroteBehind, .wroteBehindLarge, .resizedOverrun, .shrunkOverrun:
      ", allocated by the code at 0x5eed"
    default: ""
    }
  }

  private func allocate(_ byteCount: Int) throws -> UnsafeMutableRawPointer {
    try unsafe Heap.allocate(byteCount: byteCount, caller: 0x5eed)
  }

  private func freeTwice(_ object: UnsafeMutableRawPointer) {
    for _ in 0..<2 { unsafe Heap.free(object) }
  }

  private func pointer(to address: PhysicalAddress) -> UnsafeMutableRawPointer {
    unsafe PhysicalMemory.pointer(to: address)
  }

  /// Commits it, and must not return.
  func commit() throws {
    if try commitFree() || commitForeign() || commitCheck() { return }
    let object = try allocate(64)
    switch self {
    case .resizedFree:
      unsafe Heap.free(object)
      _ = try unsafe Heap.resize(object, byteCount: 10)
    case .askedOfFree:
      unsafe Heap.free(object)
      _ = unsafe Heap.byteCount(of: object)
    case .wroteToFreedLink:
      asProcessor(1) { unsafe Heap.free(object) }
      // Without the key, the end of a list.
      unsafe object.storeBytes(of: 0, as: UInt64.self)
      for _ in 0..<2 { Heap.trim() }
      let other = try allocate(64)
      asProcessor(1) { unsafe Heap.free(other) }
      Heap.trim()
    case .stoppedInUse: Heap.stop()
    case .negativeSize: _ = try allocate(-1)
    default: _ = try unsafe Heap.allocate(byteCount: 10, alignment: 24)
    }
  }

  private func commitFree() throws -> Bool {
    switch self {
    case .freedTwice: freeTwice(try allocate(64))
    case .freedTwiceByAnother:
      // Taken back in between, so that the second free finds it.
      let object = try allocate(64)
      _ = try allocate(64)
      asProcessor(1) { unsafe Heap.free(object) }
      Heap.trim()
      asProcessor(1) { unsafe Heap.free(object) }
    case .freedTwiceAcross:
      // Both frees wait for the owner, who notices.
      let object = try allocate(64)
      asProcessor(1) { freeTwice(object) }
      Heap.trim()
    case .freedInside: unsafe Heap.free(try allocate(64) + 32)
    case .freedBehind:
      let object = try allocate(48)
      unsafe Heap.free(object - Int(UInt(bitPattern: object) % 4096) + 85 * 48)
    case .freedLargeTwice:
      // Raced by two processors: the frames are still the object's.
      let object = try allocate(8192)
      let slot = FrameTable.slot(
        number: UInt64(UInt(bitPattern: object) &- PhysicalMemory.directMapBase) >> 12)
      unsafe slot.storage(as: UInt64.self).pointee = 0
      unsafe Heap.free(object)
    case .freedInsideLarge: unsafe Heap.free(try allocate(8192) + 16)
    case .freedTail: unsafe Heap.free(try allocate(8192) + 4096)
    case .freedMappedTwice: freeTwice(try Self.mapped())
    case .freedMappedInside: unsafe Heap.free(try Self.mapped() + 4096)
    default: return false
    }
    return true
  }

  private func commitForeign() throws -> Bool {
    switch self {
    case .freedPageTable: unsafe Heap.free(pointer(to: KernelSpace.rootAddress))
    case .freedFreeFrame:
      let address = try FrameAllocator.allocate()
      FrameAllocator.free(address)
      unsafe Heap.free(pointer(to: address))
    case .freedFrameWithHandle:
      let frame = try Frame(allocating: PlainMemory())
      unsafe Heap.free(pointer(to: frame.address))
      _ = consume frame
    case .freedRecord:
      _ = try allocate(1)
      for number in 0..<FrameTable.frameCount {
        let slot = FrameTable.slot(number: number)
        if slot.kind.usage == .heap { unsafe Heap.free(pointer(to: slot.address)) }
      }
    case .freedOutside: unsafe Heap.free(pointer(to: FrameTable.end))
    default: return false
    }
    return true
  }

  private func commitCheck() throws -> Bool {
    switch self {
    case .wroteBehind:
      let object = try allocate(50)
      unsafe object.storeBytes(of: 1, toByteOffset: 50, as: UInt8.self)
      unsafe Heap.free(object)
    case .wroteBehindLarge:
      let object = try allocate(5000)
      unsafe object.storeBytes(of: 1, toByteOffset: 5000, as: UInt8.self)
      unsafe Heap.free(object)
    case .resizedOverrun:
      let object = try allocate(50)
      unsafe object.storeBytes(of: 1, toByteOffset: 51, as: UInt8.self)
      _ = try unsafe Heap.resize(object, byteCount: 52)
    case .shrunkOverrun:
      // The page behind which it wrote is freed at once.
      let object = try allocate(9000)
      unsafe object.storeBytes(of: 1, toByteOffset: 9000, as: UInt8.self)
      _ = try unsafe Heap.resize(object, byteCount: 5000)
    case .wroteToFree:
      let object = try allocate(64)
      unsafe Heap.free(object)
      unsafe object.storeBytes(of: 1, toByteOffset: 40, as: UInt8.self)
      _ = try allocate(64)
    default: return false
    }
    return true
  }

  /// An object in the kernel virtual area, since no contiguous frames are free.
  private static func mapped() throws -> UnsafeMutableRawPointer {
    var addresses: [PhysicalAddress] = []
    while let address = try? FrameAllocator.allocate(1, .uninitialized) {
      addresses.append(address)
    }
    for address in addresses where address.frameNumber % 2 == 0 { FrameAllocator.free(address) }
    return try unsafe Heap.allocate(byteCount: 40_000)
  }
}

extension OnSimulatedMachine {
  /// Each misuse of the heap panics with its own text.
  @Suite("Misuse of the heap") struct HeapMisuseTests {
    @Test(arguments: HeapMisuse.allCases)
    func `a wrong use panics`(misuse: HeapMisuse) async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) { [misuse] in
        let machine = SimulatedMachine(frameCount: 300, reserved: 2, processorCount: 2)
        machine.stayPermanently()
        try machine.startKernelSpace()
        if misuse.isOfCheckBuild { machine.poisonFreedFrames() }
        try misuse.commit()
      }
      try expectPanic(in: result, misuse.sentence)
      let said = String(
        decoding: try #require(result).standardErrorContent, as: UTF8.self)
      #expect(misuse.detail.isEmpty || said.contains(misuse.detail), "standard error: \(said)")
    }

    /// What the sentences of a check build need is not there otherwise.
    @Test func `a write behind an object is seen by a check build alone`() async {
      await #expect(processExitsWith: .success) {
        let machine = SimulatedMachine(frameCount: 300, reserved: 2)
        machine.stayPermanently()
        try HeapMisuse.wroteBehind.commit()
      }
    }
  }
}
