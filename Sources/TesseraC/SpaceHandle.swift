internal import Synchronization
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

/// A `tessera_space` that was found to be one, where the kernel keeps it.
///
/// Its first word is a seal: a number that follows from its address and its root. So memory that
/// was never a space, a copy of one, and one that was destroyed are told from it. The second is
/// the root, the last counts the cursors that are open, and the space lies between.
@safe
struct SpaceHandle {
  private let storage: UnsafeMutablePointer<tessera_space>

  /// The space at `pointer`. Refused with NULL and SPACE.
  @unsafe init(_ pointer: UnsafePointer<tessera_space>?) throws(APIError) {
    unsafe storage = UnsafeMutablePointer(mutating: try check(pointer))
    // SAFETY: the caller lends the memory.
    let isSpace = unsafe storage.pointee.opaque.0 == Self.seal(of: storage)
    try check(isSpace, TESSERA_ERROR_INVALID_SPACE)
  }

  /// Makes a space in memory that the caller lends. Refused with OUT_OF_FRAMES, and with IN_USE if
  /// one is there.
  @unsafe static func make(at storage: UnsafeMutablePointer<tessera_space>) throws(APIError) {
    require(
      MemoryLayout<VmSpace>.size + 24 <= MemoryLayout<tessera_space>.size,
      "a space does not fit in what the header has for it")
    // SAFETY: the caller lends the memory.
    try check(unsafe storage.pointee.opaque.0 != seal(of: storage), TESSERA_ERROR_IN_USE)
    do throws(FrameError) {
      let space = try VmSpace()
      // SAFETY: as above.
      unsafe storage.pointee.opaque.1 = space.rootAddress.rawValue
      unsafe Self.space(in: storage).initialize(to: space)
      unsafe Self.cursorCount(in: storage).initialize(to: Atomic(0))
      unsafe storage.pointee.opaque.0 = seal(of: storage)
    } catch { throw APIError(error) }
  }

  /// Makes the kernel's space. Runs once per start, before anybody can ask for it.
  static func makeKernel() {
    // SAFETY: the start runs alone.
    unsafe kernel.pointee.opaque.1 = kernelMark
    // SAFETY: as above.
    unsafe cursorCount(in: kernel).initialize(to: Atomic(0))
    // SAFETY: as above.
    unsafe kernel.pointee.opaque.0 = seal(of: kernel)
  }

  /// Where the kernel's own space is.
  @unsafe static var kernel: UnsafeMutablePointer<tessera_space> {
    // SAFETY: a global variable stays where it is.
    unsafe withUnsafeMutablePointer(to: &kernelSpace) { unsafe $0 }
  }

  /// Takes the space out of the memory, which is none from now on. It is not the kernel's, and
  /// traps if a cursor is open on it.
  func take() -> VmSpace {
    // SAFETY: the seal says that a space is here.
    // Ordering: acquiring; what the last cursor did is done. Partner: `countCursor`.
    let count = unsafe Self.cursorCount(in: storage).pointee.load(ordering: .acquiring)
    require(count == 0, "a space was destroyed on which a cursor is open")
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
  ) throws(APIError) -> Cursor {
    let start = VirtualAddress(address)
    try check(length > 0, TESSERA_ERROR_EMPTY)
    try check((address | length) % 4096 == 0, TESSERA_ERROR_NOT_ALIGNED)
    guard let end = start.advanced(byChecked: length) else {
      throw APIError(TESSERA_ERROR_OUT_OF_BOUNDS)
    }
    do throws(RangeError) {
      // SAFETY: the kernel's space is not looked for in the memory.
      return isKernel
        ? try KernelSpace.cursor(over: start..<end, reservingNodes: reservingNodes)
        : try unsafe space.pointee.unboundCursor(over: start..<end, reservingNodes: reservingNodes)
    } catch { throw APIError(error) }
  }

  /// Notes that a cursor was opened (1) on the space, or finished (-1).
  func countCursor(_ change: Int) {
    // SAFETY: the seal says that a space is here.
    // Ordering: releasing; what a cursor did is done before it is not counted. Partner: `take`.
    unsafe Self.cursorCount(in: storage).pointee.wrappingAdd(change, ordering: .releasing)
  }

  /// Where the space is, for a cursor that is kept in memory.
  @unsafe var pointer: UnsafeMutablePointer<tessera_space> { unsafe storage }

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

  /// How many cursors are open on the space.
  @unsafe private static func cursorCount(
    in storage: UnsafeMutablePointer<tessera_space>
  ) -> UnsafeMutablePointer<Atomic<Int>> {
    let last = MemoryLayout<tessera_space>.size - MemoryLayout<Int>.size
    return unsafe (UnsafeMutableRawPointer(storage) + last).assumingMemoryBound(
      to: Atomic<Int>.self)
  }
}

/// Access: written at the start; its count of cursors is atomic.
nonisolated(unsafe) private var kernelSpace = tessera_space()
