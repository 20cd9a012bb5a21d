public import TesseraFrames
public import TesseraHardware
public import TesseraPageTables

/// Memory mapped at kernel addresses of its own, for as long as this value lives.
///
/// The addresses come from the kernel virtual area. The page after them is never mapped, so that
/// running over the end faults. Destroying a mapping unmaps it, and drops the references to its
/// frames once no processor can reach them.
public struct KernelMapping: ~Copyable, Sendable {
  /// The addresses at which the memory is mapped.
  public let range: Range<VirtualAddress>

  /// Maps the frames of `segment`, which the mapping then owns.
  ///
  /// - Throws: `outOfFrames` if there is no memory for page tables or the area is full; `segment`
  ///   is then left as it was.
  public init<Metadata: UntypedContents & ~Copyable>(
    _ segment: inout Segment<Metadata>?, as property: PageProperty = .kernelReadWrite
  ) throws(MapError) {
    guard let byteCount = segment?.byteCount else { panic("no segment to map") }
    range = try KernelVirtualArea.withFreeRange(byteCount) { cursor throws(MapError) in
      try cursor.map(&segment, as: property)
    }
  }

  /// Maps `byteCount` bytes of device memory from `address`.
  ///
  /// - Precondition: as for `Cursor.mapDevice`.
  /// - Throws: `outOfFrames` if there is no memory for page tables or the area is full.
  @unsafe public init(
    device address: PhysicalAddress, byteCount: UInt64, as property: PageProperty = .device
  ) throws(MapError) {
    range = try KernelVirtualArea.withFreeRange(byteCount) { cursor throws(MapError) in
      // SAFETY: the caller makes the same promise.
      try unsafe cursor.mapDevice(address, byteCount: byteCount, as: property)
    }
  }

  /// The first address.
  public var address: VirtualAddress { range.lowerBound }

  deinit {
    var cursor = KernelVirtualArea.lock(range)
    do throws(MapError) {
      try cursor.unmap(range.upperBound.byteCount(from: range.lowerBound))
    } catch {
      // A mapping has its pages to itself, so none has to be split.
      panic("a kernel mapping shares a large page with another")
    }
  }
}
