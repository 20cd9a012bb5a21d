internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

/// What the functions of the header do with a cursor, their own or the caller's.
///
/// Each checks its arguments, which Swift's operation of the same name would trap on, and then
/// calls that. `length` is in bytes.
extension Cursor {
  /// Runs `body`. If it fails, describes the page in conflict in `conflict`, unless that is null.
  @inline(__always)
  @unsafe mutating func perform(
    _ conflict: UnsafeMutablePointer<tessera_conflict>?,
    _ body: (inout Cursor) throws(APIError) -> Void
  ) throws(APIError) {
    do throws(APIError) {
      try body(&self)
    } catch {
      if let page = error.conflict { unsafe CallerOut.write(describe(page), to: conflict) }
      throw error
    }
  }

  /// Describes the page at `address`, which is in the range.
  @inline(never)
  private func describe(_ address: VirtualAddress) -> tessera_conflict {
    tessera_conflict(address, entry(at: address))
  }

  /// Maps `frame`, and uses up one handle of it.
  mutating func map(_ frame: ClientFrameReference, flags: UInt32) throws(APIError) {
    let property = try property(for: frame, flags)
    var taken: Frame<ClientFrame>? = try frame.takeHandle()
    do throws(TesseraError) {
      try map(&taken, as: property)
    } catch {
      if let frame = taken.take() { ClientFrameReference.addHandle(frame) }
      throw APIError(error)
    }
  }

  /// Replaces the page at the position by `frame`, and uses up one handle of it.
  mutating func replace(with frame: ClientFrameReference, flags: UInt32) throws(APIError) {
    let property = try property(for: frame, flags)
    var taken: Frame<ClientFrame>? = try frame.takeHandle()
    do throws(TesseraError) {
      try replace(with: &taken, as: property)
    } catch {
      // `replace` leaves the frame to its caller.
      if let frame = taken.take() { ClientFrameReference.addHandle(frame) }
      throw APIError(error)
    }
  }

  /// Maps `count` contiguous frames, and uses up one handle of each.
  mutating func mapRun(
    _ first: tessera_frame, count: UInt64, flags: UInt32
  ) throws(APIError) {
    try check(count > 0, TESSERA_ERROR_EMPTY)
    try check(
      count <= byteCountLeft / PageSize.fourKiB.byteCount, TESSERA_ERROR_OUT_OF_BOUNDS)
    let property = try property(flags)
    var taken: Segment<ClientFrame>? = try takeRun(first, count)
    do throws(TesseraError) {
      try map(&taken, as: property)
    } catch {
      if let segment = taken.take() { returnRun(segment) }
      throw APIError(error)
    }
  }

  /// Maps new zeroed frames that have no handle.
  mutating func mapZeroed(length: UInt64, flags: UInt32) throws(APIError) {
    try checkLength(length)
    let property = try property(flags)
    try checkFree(length: length)
    var frames = try ZeroedFrames(count: length / PageSize.fourKiB.byteCount)
    do throws(TesseraError) {
      try map(pageCount: frames.count, as: property) { frames.next() }
    } catch { throw APIError(error) }
  }

  /// Checks that new frames can be mapped in the next `length` bytes: that nothing is there, and
  /// that there are as many free frames, those for page tables included. Does not move.
  private func checkFree(length: UInt64) throws(APIError) {
    do throws(TesseraError) {
      let tableCount = UInt64(try missingNodeCount(toFill: length, wholeUpTo: .leafTable))
      let frameCount = length / PageSize.fourKiB.byteCount + tableCount
      if frameCount > NodePool.availableFrameCount { throw .outOfFrames }
    } catch { throw APIError(error) }
  }

  /// Maps unowned memory at `physical`.
  mutating func mapDevice(
    _ physical: UInt64, length: UInt64, flags: UInt32
  ) throws(APIError) {
    try checkLength(length)
    let property = try property(flags)
    let region = try DeviceMemory.find(physical, length)
    do throws(TesseraError) {
      // SAFETY: no memory that is or will be allocated lies there; the rest is the caller's.
      try unsafe mapDevice(region.start, byteCount: length, as: property)
    } catch { throw APIError(error) }
  }

  mutating func unmap(length: UInt64) throws(APIError) -> UInt64 {
    try checkLength(length)
    do throws(TesseraError) { return try unmap(length) } catch { throw APIError(error) }
  }

  mutating func protect(length: UInt64, flags: UInt32) throws(APIError) -> UInt64 {
    try checkLength(length)
    let access = try PageAccess(onlyRights: flags)
    do throws(TesseraError) { return try protect(length, to: access) } catch {
      throw APIError(error)
    }
  }

  mutating func change(length: UInt64, set: UInt32, clear: UInt32) throws(APIError) -> UInt64 {
    try checkLength(length)
    let change = try PageChange(set: set, clear: clear)
    do throws(TesseraError) { return try self.change(length, by: change) } catch {
      throw APIError(error)
    }
  }

  mutating func setStatus(length: UInt64, _ status: PageStatus) throws(APIError) {
    try checkLength(length)
    try check(!status.isForPrograms || !isKernel, TESSERA_ERROR_KERNEL_SPACE)
    do throws(TesseraError) { try setStatus(length, status) } catch { throw APIError(error) }
  }

  @unsafe mutating func copy(
    from source: inout Cursor, length: UInt64, _ conflict: UnsafeMutablePointer<tessera_conflict>?
  ) throws(APIError) {
    try unsafe perform(conflict) { target throws(APIError) in
      try target.checkLength(length)
      try source.checkLength(length)
      do throws(TesseraError) {
        try target.copy(from: &source, length)
      } catch { throw APIError(error) }
    }
  }

  /// Moves what `length` bytes at `address` have to `target`.
  mutating func move(
    _ address: VirtualAddress, length: UInt64, to target: VirtualAddress
  ) throws(APIError) {
    try check(!isKernel, TESSERA_ERROR_KERNEL_SPACE)
    do throws(TesseraError) { try jump(to: address) } catch { throw APIError(error) }
    try checkLength(length)
    do throws(TesseraError) { try move(length, to: target) } catch { throw APIError(error) }
  }

  mutating func findNext(length: UInt64) throws(APIError) -> Bool {
    try checkLength(length)
    return findNext(within: length)
  }

  /// Clears the accessed bits, the dirty bits or both. Returns how many bytes had one of them set.
  mutating func clearAccessBits(length: UInt64, flags: UInt32) throws(APIError) -> UInt64 {
    try checkLength(length)
    switch Int(flags) {
    case TESSERA_ACCESSED: return clearAccessed(length)
    case TESSERA_DIRTY: return clearDirty(length)
    case TESSERA_ACCESSED | TESSERA_DIRTY: return clearAccessedAndDirty(length)
    default: throw APIError(TESSERA_ERROR_INVALID_ARGUMENT)
    }
  }

  /// Returns the header's description of the page at the position.
  ///
  /// - Throws: `OUT_OF_BOUNDS` at the end.
  func page() throws(APIError) -> tessera_page {
    do throws(TesseraError) {
      let run = try query()
      return tessera_page(run, pageSize: run.entryByteCount)
    } catch { throw APIError(error) }
  }
}

extension Cursor {
  /// Checks that `frame` fits at the position, and returns the property that `flags` ask for.
  private func property(
    for frame: ClientFrameReference, _ flags: UInt32
  ) throws(APIError) -> PageProperty {
    let byteCount = frame.size.byteCount
    try check(address.isAligned(to: byteCount), TESSERA_ERROR_NOT_ALIGNED)
    try check(byteCount <= byteCountLeft, TESSERA_ERROR_OUT_OF_BOUNDS)
    return try property(flags)
  }

  /// Returns the property that `flags` ask for, in this half of the address space.
  private func property(_ flags: UInt32) throws(APIError) -> PageProperty {
    try PageProperty(flags: flags, isUser: !isKernel)
  }

  /// Checks that `length` is that of whole pages, and that the range has as many left.
  private func checkLength(_ length: UInt64) throws(APIError) {
    try check(length > 0, TESSERA_ERROR_EMPTY)
    try check(length % PageSize.fourKiB.byteCount == 0, TESSERA_ERROR_NOT_ALIGNED)
    try check(length <= byteCountLeft, TESSERA_ERROR_OUT_OF_BOUNDS)
  }
}
