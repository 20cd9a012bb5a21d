// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraFrames
internal import TesseraHardware
public import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

@c @implementation @unsafe
public func tessera_kernel_allocate(
  _ length: UInt64, _ flags: UInt32, _ address: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    let address = unsafe try CallerOut(address)
    let range = try mapInFreeRange(length) { pages throws(APIError) in
      try pages.mapZeroed(flags: flags)
    }
    // SAFETY: the kernel accesses what has been mapped for it.
    unsafe address.writeStart(of: range)
  }
}

@c @implementation @unsafe
public func tessera_kernel_map_device(
  _ physical: UInt64, _ length: UInt64, _ flags: UInt32,
  _ address: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    let address = unsafe try CallerOut(address)
    let memory = PhysicalAddress(exactly: physical)
    let range = try mapInFreeRange(length, for: memory) { pages throws(APIError) in
      try pages.mapDevice(physical, flags: flags)
    }
    // SAFETY: the kernel accesses what has been mapped for it.
    unsafe address.writeStart(of: range)
  }
}

extension CallerOut<UnsafeMutableRawPointer?> {
  /// Writes the first address of `range`.
  @unsafe fileprivate func writeStart(of range: Range<VirtualAddress>) {
    // SAFETY: forming the pointer accesses nothing.
    unsafe write(UnsafeMutableRawPointer(bitPattern: UInt(range.lowerBound.rawValue)))
  }
}

/// Finds a free range of `length` bytes, rounded up to pages, and runs `body` there. If it maps
/// `memory`, the addresses are congruent with that.
func mapInFreeRange(
  _ length: UInt64, for memory: PhysicalAddress? = nil,
  _ body: (PiecewiseRange) throws(APIError) -> Void
) throws(APIError) -> Range<VirtualAddress> {
  try check(length > 0, TESSERA_ERROR_EMPTY)
  try check(length <= 1 << 39, TESSERA_ERROR_OUT_OF_ADDRESSES)
  // The error of `body`, or else that no range was found: both arrive as one `TesseraError`.
  var failure = APIError(TESSERA_ERROR_OUT_OF_ADDRESSES)
  do throws(TesseraError) {
    return try KernelVirtualArea.withFreeRange(pages(length), for: memory) {
      pages throws(TesseraError) in
      do throws(APIError) {
        try body(pages)
      } catch {
        if let page = error.conflict { throw .alreadyMapped(page) }
        failure = error
        throw .outOfFrames
      }
    }
  } catch { throw failure }
}

/// Returns `length`, which is at most 512 GiB, rounded up to pages.
private func pages(_ length: UInt64) -> UInt64 { (length + 4095) & ~4095 }

@c @implementation @unsafe
public func tessera_kernel_free(
  _ address: UnsafeMutableRawPointer?, _ length: UInt64
) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    try unmapKernelRange(UInt64(UInt(bitPattern: address)), length)
  }
}

/// Unmaps `length` bytes, rounded up to pages, from `start`, all of which are mapped in the area.
func unmapKernelRange(_ start: UInt64, _ length: UInt64) throws(APIError) {
  try check(length > 0, TESSERA_ERROR_EMPTY)
  try check(length <= 1 << 39, TESSERA_ERROR_OUT_OF_BOUNDS)
  try check(start % 4096 == 0, TESSERA_ERROR_NOT_ALIGNED)
  let length = pages(length)
  guard let end = VirtualAddress(start).advanced(byChecked: length) else {
    throw APIError(TESSERA_ERROR_OUT_OF_BOUNDS)
  }
  try check(
    KernelSpace.area.contains(VirtualAddress(start)) && end <= KernelSpace.area.upperBound,
    TESSERA_ERROR_OUT_OF_BOUNDS)
  let pages = PiecewiseRange(VirtualAddress(start)..<end, of: KernelSpace.root)
  try check(pages.isMapped, TESSERA_ERROR_NOT_MAPPED)
  _ = try pages.unmap()
}

extension PiecewiseRange {
  /// Whether every page is mapped.
  fileprivate var isMapped: Bool {
    var mapped: UInt64 = 0
    forEachPiece { cursor in
      cursor.forEachRun(within: cursor.byteCountLeft) { run in
        if run.content.isMapped { mapped += run.byteCount }
      }
    }
    return mapped >= byteCount
  }
}
