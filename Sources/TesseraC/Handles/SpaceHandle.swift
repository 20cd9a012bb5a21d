internal import Synchronization
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

/// A `tessera_space` that was found to be one, in the kernel's memory.
///
/// Its first word is a seal, a number computed from its address and its root. It tells a space from
/// memory that never was one, from a copy, and from a space that was destroyed. The second word is
/// the root, the last counts open cursors, and the `VmSpace` lies between.
@safe
struct SpaceHandle {
  private let storage: UnsafeMutablePointer<tessera_space>

  /// Finds the space at `pointer`.
  ///
  /// - Throws: `INVALID_POINTER` and `INVALID_SPACE`.
  @inline(__always)
  @unsafe init(_ pointer: UnsafePointer<tessera_space>?) throws(APIError) {
    unsafe storage = UnsafeMutablePointer(mutating: try check(pointer))
    // SAFETY: the caller lends the memory.
    let isSpace = unsafe storage.pointee.opaque.0 == Self.seal(of: storage)
    try check(isSpace, TESSERA_ERROR_INVALID_SPACE)
  }

  /// Creates a space in memory that the caller lends.
  ///
  /// - Throws: `OUT_OF_FRAMES`, and `IN_USE` if `storage` is a space.
  @unsafe static func create(at storage: UnsafeMutablePointer<tessera_space>) throws(APIError) {
    require(
      MemoryLayout<VmSpace>.size + 24 <= MemoryLayout<tessera_space>.size,
      "a space does not fit in `tessera_space`")
    // SAFETY: the caller lends the memory.
    try check(unsafe storage.pointee.opaque.0 != seal(of: storage), TESSERA_ERROR_IN_USE)
    do throws(FrameError) {
      let space = try VmSpace()
      // SAFETY: the caller lends the memory.
      unsafe storage.pointee.opaque.1 = space.rootAddress.rawValue
      unsafe Self.space(in: storage).initialize(to: space)
      unsafe Self.cursorCount(in: storage).initialize(to: Atomic(0))
      unsafe storage.pointee.opaque.0 = seal(of: storage)
    } catch { throw APIError(error) }
  }

  /// Creates the kernel's space, once per start.
  static func makeKernel() {
    // SAFETY: the start runs alone, before the pointer can be asked for.
    unsafe kernel.pointee.opaque.1 = kernelRoot
    unsafe cursorCount(in: kernel).initialize(to: Atomic(0))
    unsafe kernel.pointee.opaque.0 = seal(of: kernel)
  }

  /// The kernel's space.
  @unsafe static var kernel: UnsafeMutablePointer<tessera_space> {
    // SAFETY: a global variable does not move.
    unsafe withUnsafeMutablePointer(to: &kernelSpace) { unsafe $0 }
  }

  /// Destroys the space, which must not be the kernel's. Traps if a cursor is open on it.
  func destroy() {
    // SAFETY: the seal was found.
    // Ordering: acquiring, so that what the last cursor did is done. Partner: `countCursor`.
    let count = unsafe Self.cursorCount(in: storage).pointee.load(ordering: .acquiring)
    require(count == 0, "destroyed a space with an open cursor")
    // SAFETY: the seal was found, and is gone from here.
    unsafe storage.pointee.opaque.0 = 0
    // SAFETY: without the seal, the space is not destroyed again.
    _ = unsafe Self.space(in: storage).move()
  }

  /// Counts a cursor that was opened (1) or closed (-1).
  func countCursor(_ change: Int) {
    // SAFETY: the seal was found.
    // Ordering: releasing, so that what a cursor did is done when its end is seen. Partner:
    // `destroy`.
    unsafe Self.cursorCount(in: storage).pointee.wrappingAdd(change, ordering: .releasing)
  }

  /// The address of the space, for a cursor that is stored in memory.
  @unsafe var pointer: UnsafeMutablePointer<tessera_space> { unsafe storage }

  /// Whether this is the kernel's space.
  // SAFETY: the seal was found.
  var isKernel: Bool { unsafe storage.pointee.opaque.1 == Self.kernelRoot }

  /// The space, which must not be the kernel's.
  private var space: VmSpace {
    // SAFETY: the seal was found.
    _read { yield unsafe Self.space(in: storage).pointee }
  }

  /// Stands for the root in the kernel's space: each space has the kernel half in its own root.
  private static var kernelRoot: UInt64 { .max }

  @unsafe private static func seal(of storage: UnsafeMutablePointer<tessera_space>) -> UInt64 {
    let root = unsafe storage.pointee.opaque.1
    return UInt64(UInt(bitPattern: storage)) ^ root &* 0x9e37_79b9_7f4a_7c15
      ^ 0x7465_7373_6572_6173
  }

  @unsafe private static func space(
    in storage: UnsafeMutablePointer<tessera_space>
  ) -> UnsafeMutablePointer<VmSpace> {
    unsafe (UnsafeMutableRawPointer(storage) + 16).assumingMemoryBound(to: VmSpace.self)
  }

  /// The number of cursors that are open on the space.
  @unsafe private static func cursorCount(
    in storage: UnsafeMutablePointer<tessera_space>
  ) -> UnsafeMutablePointer<Atomic<Int>> {
    let last = MemoryLayout<tessera_space>.size - MemoryLayout<Int>.size
    return unsafe (UnsafeMutableRawPointer(storage) + last).assumingMemoryBound(
      to: Atomic<Int>.self)
  }
}

extension SpaceHandle {
  var rootAddress: UInt64 {
    isKernel ? KernelSpace.rootAddress.rawValue : space.rootAddress.rawValue
  }

  /// The addresses at which pages can be mapped.
  var bounds: Range<VirtualAddress> { isKernel ? KernelSpace.area : VmSpace.start..<VmSpace.end }

  /// The order in which two spaces are locked.
  func isBelow(_ other: SpaceHandle) -> Bool { rootAddress < other.rootAddress }

  func activate() {
    if isKernel { VmSpace.deactivate() } else { space.activate() }
  }

  /// Locks the `length` bytes at `address`.
  ///
  /// - Throws: `EMPTY`, `NOT_ALIGNED`, `OUT_OF_BOUNDS`, and `OUT_OF_FRAMES` if nodes are reserved.
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
      // SAFETY: the kernel keeps the space alive, and its cursors are counted.
      return isKernel
        ? try KernelSpace.cursor(over: start..<end, reservingNodes: reservingNodes)
        : try unsafe space.unboundCursor(over: start..<end, reservingNodes: reservingNodes)
    } catch { throw APIError(error) }
  }

  func translate(
    _ address: VirtualAddress
  ) -> (address: PhysicalAddress, property: PageProperty)? {
    isKernel ? KernelSpace.translate(address) : space.translate(address)
  }

  func dump(to sink: inout some TextSink & ~Copyable) {
    if isKernel { KernelSpace.dump(to: &sink) } else { space.dump(to: &sink) }
  }

  func dumpJSON(to sink: inout some TextSink & ~Copyable) {
    if isKernel { KernelSpace.dumpJSON(to: &sink) } else { space.dumpJSON(to: &sink) }
  }

  func writeWalk(of address: VirtualAddress, to sink: inout some TextSink & ~Copyable) {
    if isKernel {
      KernelSpace.writeWalk(of: address, to: &sink)
    } else {
      space.writeWalk(of: address, to: &sink)
    }
  }

  func checkInvariants(_ report: (StaticString, VirtualAddress, PagingLevel) -> Void) {
    if isKernel {
      KernelSpace.checkInvariants(allowsWriteExecute: true, report)
    } else {
      space.checkInvariants(allowsWriteExecute: true, report)
    }
  }
}

/// Access: written at the start; its count of cursors is atomic.
nonisolated(unsafe) private var kernelSpace = tessera_space()
