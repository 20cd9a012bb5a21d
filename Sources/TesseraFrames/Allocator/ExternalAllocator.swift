package import TesseraHardware

/// An allocator that the kernel has already, in the place of the one in the box.
///
/// Tessera asks it for every frame that it needs, and gives every one back to it at once: nothing
/// waits in between. Both functions are called by whoever called Tessera, on the same processor;
/// interrupts may be off, and page tables may be locked. So they must not sleep, nor wait for
/// anything but a lock that is held for moments, nor call Tessera. No lock of Tessera's own
/// allocator is held: there is none. Several processors may call at once.
///
/// SAFETY: safe to hold and to send, because its maker promised that the functions may be called
/// anywhere.
@safe
@frozen
public struct ExternalAllocator: @unchecked Sendable {
  /// Answers the physical address of `frameCount` frames of 4 KiB that follow each other, are
  /// usable, and that nobody else has; or zero if there are none.
  ///
  /// The address is a multiple of `alignment`, a power of two from 4096 up, and the last byte lies
  /// below `limit`, which is at most the end of the memory that Tessera knows. Their bytes may hold
  /// anything. Tessera looks whether the answer is sound, and stops the kernel if it is not.
  public typealias Allocate =
    @convention(c) (
      _ context: UnsafeMutableRawPointer?, _ frameCount: UInt64, _ alignment: UInt64,
      _ limit: UInt64
    ) -> UInt64

  /// Takes back `frameCount` frames of 4 KiB from the physical address `first` on.
  ///
  /// Each frame comes back once. Frames that were given in one piece may come back in several, and
  /// neighbours that were given apart may come back together.
  public typealias Free =
    @convention(c) (
      _ context: UnsafeMutableRawPointer?, _ first: UInt64, _ frameCount: UInt64
    ) -> Void

  private let allocateFrames: Allocate
  private let freeFrames: Free
  private let context: UnsafeMutableRawPointer?

  /// The caller promises that both functions do what is said of them, with `context`, for as long
  /// as Tessera runs.
  @unsafe public init(
    allocateFrames: Allocate, freeFrames: Free, context: UnsafeMutableRawPointer? = nil
  ) {
    unsafe self.allocateFrames = allocateFrames
    unsafe self.freeFrames = freeFrames
    unsafe self.context = context
  }
}

extension ExternalAllocator {
  /// Asks for `frameCount` frames that follow each other, as `request` says; nil if there are none.
  ///
  /// The memory that Tessera knows ends at `end`. Traps if the answer is not aligned or lies too
  /// high. Whose the frames are is for the caller to look at.
  package func allocate(
    _ frameCount: UInt64, _ request: FrameRequest, below end: PhysicalAddress
  ) -> PhysicalAddress? {
    let limit = min(request.limit, end).alignedDown(to: PageSize.fourKiB.byteCount)
    guard frameCount <= limit.frameNumber else { return nil }
    // SAFETY: the maker's promise.
    let answer = unsafe allocateFrames(context, frameCount, request.alignment, limit.rawValue)
    guard answer != 0 else { return nil }
    if answer % request.alignment != 0 {
      panic("allocate_frames gave an address that is not aligned as it was asked for", at: answer)
    }
    guard let first = PhysicalAddress(exactly: answer),
      let last = first.advanced(byChecked: frameCount &<< 12), last <= end
    else { panic("allocate_frames gave frames beyond the end of memory", at: answer) }
    require(last <= limit, "allocate_frames gave frames above the limit that it was given", first)
    return first
  }

  /// Gives back `frameCount` frames from `first` on.
  package func free(_ first: PhysicalAddress, _ frameCount: UInt64) {
    // SAFETY: the maker's promise.
    unsafe freeFrames(context, first.rawValue, frameCount)
  }
}

extension ExternalAllocator {
  /// Stops the kernel because its allocator gave a frame that is used for `usage`.
  package static func refuse(_ usage: FrameUsage, at address: PhysicalAddress) -> Never {
    switch usage {
    case .unused: panic("allocate_frames gave low memory, which is kept back", address)
    case .reserved: panic("allocate_frames gave reserved memory", address)
    case .kernel: panic("allocate_frames gave memory of the kernel's image or loader", address)
    case .metadata: panic("allocate_frames gave memory that holds Tessera's records", address)
    default: panic("allocate_frames gave a frame that Tessera has already", address)
    }
  }
}
