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
    let isSpace = unsafe Seal(of: storage).isEqual(to: Self.seal(of: storage))
    try check(isSpace, TESSERA_ERROR_INVALID_SPACE)
  }

  /// Creates the space that `make` returns in memory of Tessera's own, which is freed with it.
  ///
  /// - Throws: `OUT_OF_FRAMES`.
  @unsafe static func make(
    _ make: () throws(TesseraError) -> VmSpace = { () throws(TesseraError) in try VmSpace() }
  ) throws(APIError) -> UnsafeMutablePointer<tessera_space> {
    // SAFETY: freed below, or with the space.
    let storage = unsafe try SpacePool.allocate()
    do throws(APIError) {
      // SAFETY: it was just allocated.
      unsafe try initialize(storage, make)
    } catch {
      // SAFETY: it was just allocated.
      unsafe SpacePool.free(storage)
      throw error
    }
    // SAFETY: the caller accesses it through the functions of the header alone.
    return unsafe storage
  }

  /// Creates a space in memory that the caller lends.
  ///
  /// - Throws: `OUT_OF_FRAMES`, and `IN_USE` if `storage` is a space, or memory of Tessera's own,
  ///   or another call is creating or destroying a space there.
  @unsafe static func create(at storage: UnsafeMutablePointer<tessera_space>) throws(APIError) {
    try check(unsafe !SpacePool.contains(storage), TESSERA_ERROR_IN_USE)
    unsafe try initialize(storage)
  }

  /// Creates at `storage` the space that `make` returns. Throws as `create(at:)`.
  @unsafe private static func initialize(
    _ storage: UnsafeMutablePointer<tessera_space>,
    _ make: () throws(TesseraError) -> VmSpace = { () throws(TesseraError) in try VmSpace() }
  ) throws(APIError) {
    require(
      MemoryLayout<VmSpace>.size + 24 <= MemoryLayout<tessera_space>.size,
      "a space does not fit in `tessera_space`")
    // SAFETY: the caller lends the memory.
    let word = unsafe Seal(of: storage)
    let before = try word.claimUnused(unless: unsafe seal(of: storage))
    do throws(TesseraError) {
      let space = try make()
      // SAFETY: the caller lends the memory.
      unsafe storage.pointee.opaque.1 = space.rootAddress.rawValue
      unsafe Self.space(in: storage).initialize(to: space)
      unsafe Self.cursorCount(in: storage).initialize(to: Atomic(0))
      word.set(unsafe seal(of: storage))
    } catch {
      word.set(before)
      throw APIError(error)
    }
  }

  /// Creates the kernel's space, once per start, when there are no others.
  static func makeKernel() {
    SpacePool.start()
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
  ///
  /// - Throws: `INVALID_SPACE` if another call destroys it.
  func destroy() throws(APIError) {
    // SAFETY: the caller lends the memory.
    let word = unsafe Seal(of: storage)
    // SAFETY: reads the memory that the caller lends.
    let isClaimed = word.claimUsed(with: unsafe Self.seal(of: storage))
    try check(isClaimed, TESSERA_ERROR_INVALID_SPACE)
    // SAFETY: the space is claimed.
    // Ordering: acquiring, so that what the last cursor did is done. Partner: `countCursor`.
    let count = unsafe Self.cursorCount(in: storage).pointee.load(ordering: .acquiring)
    require(count == 0, "destroyed a space with an open cursor")
    // SAFETY: without the seal, the space is not destroyed again.
    _ = unsafe Self.space(in: storage).move()
    word.set(0)
    // SAFETY: it is no space any more.
    if unsafe SpacePool.contains(storage) { unsafe SpacePool.free(storage) }
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

  /// Creates a space that maps what this one maps, in memory of Tessera's own.
  ///
  /// - Throws: `KERNEL_SPACE` and `OUT_OF_FRAMES`.
  @unsafe func fork() throws(APIError) -> UnsafeMutablePointer<tessera_space> {
    try check(!isKernel, TESSERA_ERROR_KERNEL_SPACE)
    return unsafe try Self.make { () throws(TesseraError) in try space.fork() }
  }

  /// Calls `body` with the space of a program.
  ///
  /// - Throws: `KERNEL_SPACE`, and what `body` throws.
  func withSpace<Result>(
    _ body: (borrowing VmSpace) throws(APIError) -> Result
  ) throws(APIError) -> Result {
    try check(!isKernel, TESSERA_ERROR_KERNEL_SPACE)
    return try body(space)
  }

  /// Has the pager, if it pages the space, find the `length` bytes of pages that have moved.
  func noteMove(_ start: VirtualAddress, _ length: UInt64, to target: VirtualAddress) {
    if !isKernel { SpacePager.noteMove(in: space.root, from: start, to: target, length) }
  }

  func activate() {
    if isKernel { VmSpace.deactivate() } else { space.activate() }
  }

  /// Locks the `length` bytes at `address`.
  ///
  /// - Throws: `EMPTY`, `NOT_ALIGNED`, `OUT_OF_BOUNDS`, and `OUT_OF_FRAMES` unless `nodes` is
  ///   `existing`.
  @_lifetime(immortal)
  func cursor(
    _ address: UInt64, _ length: UInt64, _ nodes: CursorNodes
  ) throws(APIError) -> Cursor {
    let (start, end) = try Self.checkedBounds(address, length)
    do throws(TesseraError) {
      // SAFETY: the kernel keeps the space alive, and its cursors are counted.
      return isKernel
        ? try KernelSpace.cursor(over: start..<end, nodes)
        : try unsafe space.unboundCursor(over: start..<end, nodes)
    } catch { throw APIError(error) }
  }

  /// Returns the `length` bytes at `address`, to be operated on in pieces.
  ///
  /// - Throws: `EMPTY`, `NOT_ALIGNED`, and `OUT_OF_BOUNDS`.
  func range(_ address: UInt64, _ length: UInt64) throws(APIError) -> PiecewiseRange {
    let (start, end) = try Self.checkedBounds(address, length)
    try check(
      start >= bounds.lowerBound && end <= bounds.upperBound, TESSERA_ERROR_OUT_OF_BOUNDS)
    return PiecewiseRange(start..<end, of: isKernel ? KernelSpace.root : space.root)
  }

  /// Returns the first of `length` bytes at `address` and the byte after them.
  @inline(__always)
  private static func checkedBounds(
    _ address: UInt64, _ length: UInt64
  ) throws(APIError) -> (start: VirtualAddress, end: VirtualAddress) {
    let start = VirtualAddress(address)
    try check(length > 0, TESSERA_ERROR_EMPTY)
    try check((address | length) % 4096 == 0, TESSERA_ERROR_NOT_ALIGNED)
    guard let end = start.advanced(byChecked: length) else {
      throw APIError(TESSERA_ERROR_OUT_OF_BOUNDS)
    }
    return (start, end)
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
