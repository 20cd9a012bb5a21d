internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

/// A `tessera_space` that was found to be one, where the kernel keeps it.
///
/// Its first word is a seal: a number that follows from its address and its root. So memory that
/// was never a space, a copy of one, and one that was destroyed are told from it.
@safe
struct SpaceHandle {
  private let storage: UnsafeMutablePointer<tessera_space>

  /// The space at `pointer`. Refused with NULL and SPACE.
  @unsafe init(_ pointer: UnsafePointer<tessera_space>?) throws(Refusal) {
    unsafe storage = UnsafeMutablePointer(mutating: try demand(pointer))
    // SAFETY: the caller lends the memory.
    let isSpace = unsafe storage.pointee.opaque.0 == Self.seal(of: storage)
    try demand(isSpace, TESSERA_ERROR_SPACE)
  }

  /// Makes a space of `space` in memory that is none. The caller lends the memory.
  @unsafe static func make(
    _ space: consuming VmSpace, at storage: UnsafeMutablePointer<tessera_space>
  ) {
    require(
      MemoryLayout<VmSpace>.size + 16 <= MemoryLayout<tessera_space>.size,
      "a space does not fit in what the header has for it")
    unsafe storage.pointee.opaque.1 = space.rootAddress.rawValue
    unsafe Self.space(in: storage).initialize(to: space)
    unsafe storage.pointee.opaque.0 = seal(of: storage)
  }

  /// Makes the kernel's space of memory that is none.
  @unsafe static func makeKernel(at storage: UnsafeMutablePointer<tessera_space>) {
    unsafe storage.pointee.opaque.1 = kernelMark
    unsafe storage.pointee.opaque.0 = seal(of: storage)
  }

  /// Takes the space out of the memory, which is none from now on. It is not the kernel's.
  func take() -> VmSpace {
    // SAFETY: the seal says that a space is here.
    unsafe storage.pointee.opaque.0 = 0
    // SAFETY: as above, and nobody takes it a second time.
    return unsafe Self.space(in: storage).move()
  }

  /// An order of spaces, for whoever locks two of them.
  func isBelow(_ other: SpaceHandle) -> Bool { rootAddress < other.rootAddress }

  /// Whether this is the kernel's.
  // SAFETY: the seal says that it is a space.
  var isKernel: Bool { unsafe storage.pointee.opaque.1 == Self.kernelMark }

  /// The space, where it lies. It is not the kernel's.
  // SAFETY: as above.
  @unsafe var space: UnsafeMutablePointer<VmSpace> { unsafe Self.space(in: storage) }

  var rootAddress: UInt64 {
    // SAFETY: as above.
    isKernel ? KernelSpace.rootAddress.rawValue : unsafe storage.pointee.opaque.1
  }

  /// The addresses at which pages can be mapped.
  var bounds: Range<VirtualAddress> { isKernel ? KernelSpace.area : VmSpace.start..<VmSpace.end }

  /// Locks the `length` bytes from `address` on. Refused with EMPTY, NOT_ALIGNED, OUT_OF_BOUNDS,
  /// and OUT_OF_FRAMES if nodes are to be reserved.
  @_lifetime(immortal)
  func cursor(
    _ address: UInt64, _ length: UInt64, reservingNodes: Bool = false
  ) throws(Refusal) -> Cursor {
    let start = VirtualAddress(address)
    try demand(length > 0, TESSERA_ERROR_EMPTY)
    try demand((address | length) % 4096 == 0, TESSERA_ERROR_NOT_ALIGNED)
    guard let end = start.advanced(byChecked: length) else {
      throw Refusal(TESSERA_ERROR_OUT_OF_BOUNDS)
    }
    do throws(RangeError) {
      // SAFETY: the kernel's space is not looked for in the memory.
      return isKernel
        ? try KernelSpace.cursor(over: start..<end, reservingNodes: reservingNodes)
        : try unsafe space.pointee.unboundCursor(over: start..<end, reservingNodes: reservingNodes)
    } catch { throw Refusal(error) }
  }

  private static var kernelMark: UInt64 { .max }

  @unsafe private static func seal(of storage: UnsafeMutablePointer<tessera_space>) -> UInt64 {
    // SAFETY: every caller has memory of that type here.
    let root = unsafe storage.pointee.opaque.1
    return UInt64(UInt(bitPattern: storage)) ^ root &* 0x9e37_79b9_7f4a_7c15
      ^ 0x7465_7373_6572_6173
  }

  @unsafe private static func space(
    in storage: UnsafeMutablePointer<tessera_space>
  ) -> UnsafeMutablePointer<VmSpace> {
    unsafe (UnsafeMutableRawPointer(storage) + 16).assumingMemoryBound(to: VmSpace.self)
  }
}
