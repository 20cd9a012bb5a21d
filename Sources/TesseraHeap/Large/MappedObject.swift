internal import Synchronization
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraSpaces

/// The metadata of the frames of an object in the kernel virtual area: any frames, which are mapped
/// one after another, for when no contiguous ones are free.
struct MappedObject: UntypedFrameMetadata, ~Copyable {
  /// The number of pages of the object that begins with the frame; 0 in the other frames, and while
  /// the object is being freed.
  ///
  /// Access: atomic; see `LargeObject`.
  private let pageCount: Atomic<UInt64>

  private init(_ pageCount: UInt64) { self.pageCount = Atomic(pageCount) }

  static var role: FrameRole { FrameRole(.heap, isUntyped: true) }
  // SAFETY: called for the storage of a slot whose kind is this type's.
  static var destructor: FrameMetadataDestructor { { unsafe MappedObject.destroy(at: $0) } }
  static var hasDestructor: Bool { false }

  /// Allocates and maps memory for `byteCount` bytes, of which there are some. Returns its address.
  ///
  /// - Throws: `outOfFrames`, and if there are no free addresses.
  static func allocate(byteCount: Int, isZeroed: Bool) throws(TesseraError) -> UInt {
    guard byteCount <= Int.max - 4095, KernelSpace.isStarted else { throw .outOfFrames }
    let pageCount = UInt64((byteCount + 4095) >> 12)
    let request = FrameRequest(isZeroed: isZeroed)
    let range = try KernelVirtualArea.allocate(pageCount: pageCount, request) { page in
      MappedObject(page == 0 ? pageCount : 0)
    }
    return UInt(range.lowerBound.rawValue)
  }

  /// Whether `address` is in the kernel virtual area.
  static func isInArea(_ address: UInt) -> Bool {
    KernelVirtualArea.contains(UInt64(address))
  }

  /// The number of pages of the object that begins at `address`; 0 if none does.
  static func pageCount(at address: UInt) -> Int {
    // SAFETY: the metadata is the object's, which is in use.
    // Ordering: relaxed; it does not change meanwhile.
    unsafe head(at: address).map { unsafe Int($0.pointee.pageCount.load(ordering: .relaxed)) } ?? 0
  }

  /// Frees the object that begins at `address`. Returns the number of its pages, or 0 if none does.
  static func free(at address: UInt) -> Int {
    // SAFETY: the metadata is that of an object, or there is none.
    guard let head = unsafe head(at: address) else { return 0 }
    // SAFETY: as above.
    // Ordering: relaxed; only whether it was freed before counts.
    let count = unsafe Int(head.pointee.pageCount.exchange(0, ordering: .relaxed))
    guard count > 0 else { return 0 }
    let start = VirtualAddress(UInt64(address))
    KernelVirtualArea.unmap(start..<VirtualAddress(UInt64(address) + UInt64(count) << 12))
    return count
  }

  /// The address in the direct map of the byte at `address`, of an object that is in use: another,
  /// if the object is in the area. The bytes up to the end of the page follow there as well.
  @unsafe static func directAddress(of address: UInt) -> UInt {
    guard isInArea(address) else { return address }
    guard let mapped = KernelSpace.translate(VirtualAddress(UInt64(address))) else {
      panic("an object of the heap is not mapped", at: UInt64(address))
    }
    return PhysicalMemory.directMapBase &+ UInt(mapped.address.rawValue)
  }

  /// The metadata of the frame that is mapped at `address`, if it is of such an object.
  @unsafe private static func head(at address: UInt) -> UnsafeMutablePointer<MappedObject>? {
    guard address % 4096 == 0,
      let mapped = KernelSpace.translate(VirtualAddress(UInt64(address))),
      let slot = try? FrameTable.slot(at: mapped.address),
      slot.kind.hasSameMetadata(as: .of(MappedObject.self))
    else { return nil }
    // SAFETY: the kind says so, and the object's user keeps it mapped.
    return unsafe slot.storage(as: MappedObject.self)
  }
}
