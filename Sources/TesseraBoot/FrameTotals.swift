/// What became of the frames below the end of memory.
public struct FrameTotals: Equatable, Sendable {
  /// Given to the allocator.
  public private(set) var usable: UInt64 = 0
  /// Nobody's: kept back below 1 MiB.
  public private(set) var low: UInt64 = 0
  /// The slots, the allocator's state and whatever else was allocated early.
  public private(set) var metadata: UInt64 = 0
  /// The kernel's image and what its loader left.
  public private(set) var kernel: UInt64 = 0
  /// The firmware's, the devices', or broken.
  public private(set) var reserved: UInt64 = 0
  /// Addresses at which there is nothing.
  public private(set) var holes: UInt64 = 0

  public init() {}

  /// All of them: one for each slot.
  public var total: UInt64 { usable + low + metadata + kernel + reserved + holes }

  /// Adds frames of `kind`, or of a hole if that is nil.
  mutating func add(frameCount: UInt64, kind: MemoryKind?) {
    switch kind {
    case .usable: usable += frameCount
    case .lowMemory: low += frameCount
    case .metadata: metadata += frameCount
    case .bootInformation, .module, .kernelImage: kernel += frameCount
    case .acpiReclaimable, .acpiNonVolatile, .invisible, .reserved, .defective:
      reserved += frameCount
    case nil: holes += frameCount
    }
  }
}
