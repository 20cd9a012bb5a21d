internal import CBenchmarks
internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// The address spaces that the loops work on.
enum Spaces {
  /// Access: written once, by the one thread of the benchmarks.
  nonisolated(unsafe) private static var start: UnsafeMutablePointer<VmSpace>?

  /// Starts the kernel's space on a root with two tables in its upper half, as for a direct map and
  /// an image, and makes the two spaces that stay, of which the first is active.
  static func start(roomFor count: Int) throws(TesseraError) {
    let root = try FrameAllocator.allocate()
    // A whole block, so that the loops find the free memory as aligned as it was.
    let tables = try FrameAllocator.allocate(512)
    for index in stride(from: 256, through: 511, by: 255) {
      // SAFETY: a fresh frame, which is a table of a loader until the kernel's space is started.
      unsafe LockedNode(holding: PageTableNode(at: root), level: PagingLevel(4))
        .store(.table(at: tables), at: index)
    }
    // SAFETY: the processor is simulated, and runs on nothing.
    unsafe Processor.loadRootRegister(root.rawValue)
    try KernelSpace.start()
    FrameAllocator.free(root)
    // With the frame of zeros, four.
    for _ in 0..<3 { _ = try FrameAllocator.allocate() }
    let memory = unsafe host_reserve((count + 2) * MemoryLayout<VmSpace>.stride)
    // SAFETY: fresh memory, and one thread.
    unsafe start = memory.bindMemory(to: VmSpace.self, capacity: count + 2)
    unsafe (places - 2).initialize(to: try VmSpace())
    unsafe (places - 1).initialize(to: try VmSpace())
    unsafe active.pointee.activate()
  }

  /// The space that the processor runs on.
  @inline(__always)
  static var active: UnsafeMutablePointer<VmSpace> { unsafe places - 2 }

  /// Another one, into which the active one is copied.
  @inline(__always)
  static var copy: UnsafeMutablePointer<VmSpace> { unsafe places - 1 }

  /// Where spaces that come and go are kept.
  @inline(__always)
  static var places: UnsafeMutablePointer<VmSpace> {
    // SAFETY: `start` was called; one thread.
    unsafe start.unsafelyUnwrapped + 2
  }

  /// `count` pages of 4 KiB, from an address at which no page of 1 GiB starts.
  @inline(__always)
  static func pages(_ count: Int) -> Range<VirtualAddress> {
    VirtualAddress(firstPage)..<VirtualAddress(firstPage + UInt64(count) << 12)
  }

  /// Page `index` of them.
  @inline(__always)
  static func page(_ index: Int) -> Range<VirtualAddress> {
    let start = pageAddress(index)
    return start..<VirtualAddress(start.rawValue &+ 4096)
  }

  /// The first byte of page `index`.
  @inline(__always)
  static func pageAddress(_ index: Int) -> VirtualAddress {
    VirtualAddress(firstPage &+ UInt64(truncatingIfNeeded: index) &<< 12)
  }

  /// `count` pages of 2 MiB.
  @inline(__always)
  static func largePages(_ count: Int) -> Range<VirtualAddress> {
    let end = firstPage + UInt64(count) * PageSize.twoMiB.byteCount
    return VirtualAddress(firstPage)..<VirtualAddress(end)
  }

  private static var firstPage: UInt64 { 0x12_3460_0000 }
}
