package import TesseraHardware

/// A frame allocator that the kernel already has, which replaces Tessera's own.
///
/// With one, Tessera has no zones and no caches: it calls `allocateFrames` for every frame that it
/// needs, and `freeFrames` as soon as the frame's last reference is dropped. The slots still have
/// the reference counts. The frames that Tessera does not have are of kind `external` and unused;
/// allocating one is an ordinary claim, so a frame that the kernel's allocator returns twice, or
/// that is not memory it may use, is detected and stops the kernel. Statistics count frames that
/// Tessera does not have as free.
///
/// Both functions are called on the processor that called Tessera, and by several processors at
/// once. Interrupts may be off and page tables may be locked, so they must not sleep, must not call
/// Tessera, and may wait only for locks that are held briefly. Tessera holds no allocator lock
/// meanwhile.
///
/// SAFETY: safe to use and to send, because the caller of `init` guarantees that the functions may
/// be called on any processor.
@safe
@frozen
public struct ExternalAllocator: @unchecked Sendable {
  /// Returns the physical address of `frameCount` contiguous frames of 4 KiB that are usable memory
  /// and allocated to no one else, or zero if there are none.
  ///
  /// The address is a multiple of `alignment`, a power of two and at least 4096. The last byte lies
  /// below `limit`, which is at most the end of the memory that Tessera manages. The contents are
  /// arbitrary. Tessera checks the result, and panics if it is invalid.
  public typealias Allocate =
    @convention(c) (
      _ context: UnsafeMutableRawPointer?, _ frameCount: UInt64, _ alignment: UInt64,
      _ limit: UInt64
    ) -> UInt64

  /// Frees `frameCount` contiguous frames of 4 KiB that start at physical address `first`.
  ///
  /// Each frame is freed once. Frames that were allocated together may be freed separately, and
  /// contiguous frames that were allocated separately may be freed together.
  public typealias Free =
    @convention(c) (
      _ context: UnsafeMutableRawPointer?, _ first: UInt64, _ frameCount: UInt64
    ) -> Void

  private let allocateFrames: Allocate
  private let freeFrames: Free
  private let context: UnsafeMutableRawPointer?

  /// The caller guarantees that both functions behave as documented when they are passed `context`,
  /// for as long as Tessera runs.
  @unsafe public init(
    allocateFrames: Allocate, freeFrames: Free, context: UnsafeMutableRawPointer? = nil
  ) {
    unsafe self.allocateFrames = allocateFrames
    unsafe self.freeFrames = freeFrames
    unsafe self.context = context
  }
}

extension ExternalAllocator {
  /// Allocates `frameCount` contiguous frames below `end` as `request` describes. Returns nil if
  /// there are none.
  ///
  /// Panics if the result is misaligned or too high. The caller checks the state of the frames.
  package func allocate(
    _ frameCount: UInt64, _ request: FrameRequest, below end: PhysicalAddress
  ) -> PhysicalAddress? {
    let limit = min(request.limit, end).alignedDown(to: PageSize.fourKiB.byteCount)
    guard frameCount <= limit.frameNumber else { return nil }
    // SAFETY: the caller of `init` guarantees that the function may be called.
    let result = unsafe allocateFrames(context, frameCount, request.alignment, limit.rawValue)
    guard result != 0 else { return nil }
    if result % request.alignment != 0 {
      panic("allocate_frames returned an address without the requested alignment", at: result)
    }
    guard let first = PhysicalAddress(exactly: result),
      let last = first.advanced(byChecked: frameCount &<< 12), last <= end
    else { panic("allocate_frames returned frames beyond the end of memory", at: result) }
    require(last <= limit, "allocate_frames returned frames above the requested limit", first)
    return first
  }

  /// Frees `frameCount` contiguous frames that start at `first`.
  package func free(_ first: PhysicalAddress, _ frameCount: UInt64) {
    // SAFETY: the caller of `init` guarantees that the function may be called.
    unsafe freeFrames(context, first.rawValue, frameCount)
  }
}

extension ExternalAllocator {
  /// Panics because the kernel's allocator returned a frame that is in use for `usage`.
  package static func reject(_ usage: FrameUsage, at address: PhysicalAddress) -> Never {
    switch usage {
    case .unused: panic("allocate_frames returned reserved low memory", address)
    case .reserved: panic("allocate_frames returned reserved memory", address)
    case .kernel: panic("allocate_frames returned memory of the kernel's image or loader", address)
    case .metadata: panic("allocate_frames returned memory of Tessera's metadata", address)
    default: panic("allocate_frames returned a frame that Tessera already has", address)
    }
  }
}
