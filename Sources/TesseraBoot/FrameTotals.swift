/// The number of frames below the end of memory by what they are used for after the start.
public struct FrameTotals: Equatable, Sendable {
  /// Free frames.
  public private(set) var usable: UInt64 = 0
  /// Unowned frames below 1 MiB, which are reserved until they are claimed by address.
  public private(set) var low: UInt64 = 0
  /// Frames that hold slots, the allocator's state and other early allocations.
  public private(set) var metadata: UInt64 = 0
  /// Frames of the kernel image, and of what its loader left.
  public private(set) var kernel: UInt64 = 0
  /// Frames of firmware and devices, and defective ones.
  public private(set) var reserved: UInt64 = 0
  /// Frame numbers without memory.
  public private(set) var holes: UInt64 = 0

  public init() {}

  /// All frames: one for each slot.
  public var total: UInt64 { usable + low + metadata + kernel + reserved + holes }

  /// How many frames are still the kernel's once the allocator manages `managed` frames: what was
  /// added after the start is no longer.
  public func kernelFrameCount(whileManaging managed: UInt64) -> UInt64 {
    let added = managed - min(managed, usable)
    return kernel - min(kernel, added)
  }

  /// Counts `frameCount` frames of low memory as the kernel's.
  mutating func reserveLow(frameCount: UInt64) {
    low -= frameCount
    kernel += frameCount
  }

  /// Adds frames of `kind`, or of a hole if that is nil.
  mutating func add(frameCount: UInt64, kind: MemoryKind?) {
    switch kind {
    case .usable: usable += frameCount
    case .lowMemory: low += frameCount
    case .metadata: metadata += frameCount
    case .bootInformation, .module, .kernelImage: kernel += frameCount
    case .acpiReclaimable, .acpiNonVolatile, .unreachable, .reserved, .defective:
      reserved += frameCount
    case nil: holes += frameCount
    }
  }
}
