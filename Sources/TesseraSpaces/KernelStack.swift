internal import TesseraFrames
public import TesseraHardware

/// A stack for the kernel, in the kernel virtual area, for as long as this value lives.
///
/// The page below it is never mapped, so that a stack that overflows faults instead of overwriting
/// what lies there; nor is the page above. The page fault cannot be handled on the same stack: give
/// its handler, or that of the double fault that follows, a stack of its own (IST).
public struct KernelStack: ~Copyable, Sendable {
  /// The addresses of the stack, which is readable and writable.
  public let range: Range<VirtualAddress>

  /// Allocates a stack of at least `byteCount` bytes, filled with zeros.
  ///
  /// - Throws: `outOfFrames` if there is no memory, or the area is full; nothing has changed then.
  public init(byteCount: UInt64) throws(TesseraError) {
    let pageSize = PageSize.fourKiB.byteCount
    let (rounded, overflow) = byteCount.addingReportingOverflow(pageSize - 1)
    guard !overflow else { throw .outOfFrames }
    range = try KernelVirtualArea.allocate(pageCount: rounded / pageSize, FrameRequest()) { _ in
      PlainMemory()
    }
  }

  /// The lowest address of the stack.
  public var bottom: VirtualAddress { range.lowerBound }

  /// The address above the stack, with which its stack pointer begins.
  public var top: VirtualAddress { range.upperBound }

  /// Returns whether `address` lies in the page below the stack, as that of a page fault does when
  /// the stack overflows.
  public func isOverflow(_ address: VirtualAddress) -> Bool {
    address < bottom && bottom.byteCount(from: address) <= KernelVirtualArea.guardByteCount
  }

  deinit {
    let pointer = Processor.stackPointer
    require(
      pointer <= bottom.rawValue || pointer > top.rawValue,
      "freed the stack that the processor runs on")
    KernelVirtualArea.unmap(range)
  }
}
