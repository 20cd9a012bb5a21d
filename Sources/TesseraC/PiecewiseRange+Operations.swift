internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader
internal import TesseraPageTables

/// What the functions of the header do with a range, in pieces.
///
/// As those of `Cursor+Operations.swift`, each checks its arguments first.
extension PiecewiseRange {
  /// Runs `body`. If it fails, describes the page in conflict in `conflict`, unless that is null.
  @unsafe func perform(
    _ conflict: UnsafeMutablePointer<tessera_conflict>?,
    _ body: (PiecewiseRange) throws(APIError) -> Void
  ) throws(APIError) {
    do throws(APIError) {
      try body(self)
    } catch {
      if let page = error.conflict {
        unsafe CallerOut.write(tessera_conflict(page, entry(at: page)), to: conflict)
      }
      throw error
    }
  }

  /// Maps `count` contiguous frames, which fill the range, and uses up one handle of each.
  func mapRun(_ first: tessera_frame, count: UInt64, flags: UInt32) throws(APIError) {
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
  func mapZeroed(flags: UInt32) throws(APIError) {
    let property = try property(flags)
    // Checked again below, but there the nodes have been allocated.
    try check(UInt64(pageCount) <= NodePool.availableFrameCount, TESSERA_ERROR_OUT_OF_FRAMES)
    let nodes: NodeReservation
    do throws(TesseraError) {
      if isSinglePiece {
        // Without a check here, its cursor would find a conflict once the frames are allocated.
        try forEachPiece { cursor throws(TesseraError) in
          _ = try cursor.missingNodeCount(toFill: byteCount, wholeUpTo: .leafTable)
        }
      }
      nodes = try reserveNodes(wholeUpTo: .leafTable)
    } catch { throw APIError(error) }
    let frames = try ZeroedFrames(count: UInt64(pageCount))
    do throws(TesseraError) {
      try mapZeroed(frames, property, nodes)
    } catch { throw APIError(error) }
  }

  /// Maps `frames`. If there are several pieces, they stay known until all are mapped, or those
  /// that are mapped are unmapped again.
  private func mapZeroed(
    _ stock: consuming ZeroedFrames, _ property: PageProperty, _ nodes: consuming NodeReservation
  ) throws(TesseraError) {
    var frames = stock
    let isKept = !isSinglePiece
    var position = start
    do throws(TesseraError) {
      try mapSmallPages(as: property, nodes) {
        position = position.advanced(unchecked: PageSize.fourKiB.byteCount)
        return isKept ? frames.nextKept() : frames.next()
      }
    } catch {
      while let frame = frames.takeKept() {
        position = VirtualAddress(position.rawValue - PageSize.fourKiB.byteCount)
        unmapPage(at: position, mappedTo: frame.address)
      }
      throw error
    }
  }

  /// Maps unowned memory at `physical`.
  func mapDevice(_ physical: UInt64, flags: UInt32) throws(APIError) {
    let property = try property(flags)
    let region = try DeviceMemory.find(physical, byteCount)
    do throws(TesseraError) {
      // SAFETY: no memory that is or will be allocated lies there; the rest is the caller's.
      try unsafe mapDevice(region.start, as: property)
    } catch { throw APIError(error) }
  }

  /// Unmaps all pages. Returns the number of bytes that were mapped.
  func unmap() throws(APIError) -> UInt64 {
    var unmapped: UInt64 = 0
    do throws(TesseraError) { try unmap(&unmapped) } catch { throw APIError(error) }
    return unmapped
  }

  /// Changes the rights of all mapped pages. Returns the number of bytes that are mapped.
  func protect(flags: UInt32) throws(APIError) -> UInt64 {
    let access = try PageAccess(onlyRights: flags)
    var mapped: UInt64 = 0
    do throws(TesseraError) { try protect(to: access, &mapped) } catch { throw APIError(error) }
    return mapped
  }

  /// Clears the flags of `clear` and sets those of `set` in all mapped pages. Returns the number of
  /// bytes whose pages are not as before.
  func change(set: UInt32, clear: UInt32) throws(APIError) -> UInt64 {
    let change = try PageChange(set: set, clear: clear)
    var changed: UInt64 = 0
    do throws(TesseraError) { try self.change(by: change, &changed) } catch {
      throw APIError(error)
    }
    return changed
  }

  func setStatus(_ status: PageStatus) throws(APIError) {
    do throws(TesseraError) {
      try setStatus { cursor, byteCount throws(TesseraError) in
        try cursor.setStatus(byteCount, status)
      }
    } catch { throw APIError(error) }
  }

  /// Returns the property that `flags` ask for, in this half of the address space.
  private func property(_ flags: UInt32) throws(APIError) -> PageProperty {
    try PageProperty(flags: flags, isUser: !isKernel)
  }
}

extension tessera_conflict {
  init(_ address: VirtualAddress, _ found: (entry: PageTableEntry, level: PagingLevel)) {
    self.init()
    self.address = address.rawValue
    entry = found.entry.rawValue
    level = UInt32(found.level.number)
  }
}
