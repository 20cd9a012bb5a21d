public import TesseraFrames
public import TesseraHardware
internal import TesseraPageTables

/// Memory mapped at kernel addresses of its own, for as long as this value lives.
///
/// The addresses come from the kernel virtual area. The pages before and after them are not mapped,
/// so that running over either end faults. Destroying a mapping unmaps it, and drops the references
/// to its frames once no processor can reach them.
///
/// Mapping and unmapping turn preemption off themselves, for one piece of the memory at a time:
/// several threads of a processor may do so at once. Not in interrupt handlers.
public struct KernelMapping: ~Copyable, Sendable {
  /// The addresses at which the memory is mapped.
  public let range: Range<VirtualAddress>

  /// Maps the frames of `segment`, which the mapping then owns.
  ///
  /// - Throws: `outOfFrames` if there is no memory for page tables or the area is full; `segment`
  ///   is then left as it was.
  public init<Metadata: UntypedContents & ~Copyable>(
    _ segment: inout Segment<Metadata>?, as property: PageProperty = .kernelReadWrite
  ) throws(TesseraError) {
    guard let byteCount = segment?.byteCount else { panic("no segment to map") }
    range = try KernelVirtualArea.withFreeRange(byteCount) { pages throws(TesseraError) in
      try pages.map(&segment, as: property)
    }
  }

  /// Maps `byteCount` bytes of device memory from `address`, in the largest pages that fit there.
  ///
  /// - Precondition: as for `Cursor.mapDevice`.
  /// - Throws: `outOfFrames` if there is no memory for page tables or the area is full.
  @unsafe public init(
    device address: PhysicalAddress, byteCount: UInt64, as property: PageProperty = .device
  ) throws(TesseraError) {
    range = try KernelVirtualArea.withFreeRange(byteCount, for: address) {
      pages throws(TesseraError) in
      // SAFETY: the caller makes the same promise.
      try unsafe pages.mapDevice(address, as: property)
    }
  }

  /// The first address.
  public var address: VirtualAddress { range.lowerBound }

  deinit { KernelVirtualArea.unmap(range) }
}
