internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

extension PageTableNode {
  /// Makes the page of `address` in the space with this root allow `access`, as `VmSpace.resolve`.
  func resolve(
    _ access: MemoryAccess, at address: VirtualAddress, _ options: SupplyOptions = SupplyOptions()
  ) -> FaultResolution {
    guard address >= VmSpace.start, address < VmSpace.end else { return .denied }
    let page = address.alignedDown(to: PageSize.fourKiB.byteCount)
    var need = Preemption.disabled { self.need(of: access, at: page) }
    switch need {
    // A cursor may have the page between two states: what it leaves counts.
    case .denied, .payload: need = Preemption.disabled { lockedNeed(of: access, at: page) }
    default: break
    }
    var supply = FrameSupply(for: page, options, in: self)
    var wasBrought = false
    while true {
      switch need {
      case .nothing: return .resolved(wasBrought ? .paged : .nothing)
      case .denied: return .denied
      case .payload(let payload): return .needs(payload)
      case .pager:
        if let resolution = bring(page, options, &wasBrought) { return resolution }
        need = Preemption.disabled { lockedNeed(of: access, at: page) }
        continue
      case .zeros, .zeroedFrame, .copy, .takeover: break
      }
      // Before a node is locked, and with preemption as it is: to fill a frame takes long.
      let hasFrame = supply.allocate(for: need)
      var isStarved = false
      do throws(TesseraError) {
        let supplied = try Preemption.disabled { () throws(TesseraError) in
          try supply.use(for: access, &need)
        }
        if let supplied { return .resolved(supplied) }
        isStarved = !hasFrame && need.takesFrame
      } catch { isStarved = true }
      if isStarved, let resolution = reclaim() { return resolution }
    }
  }

  /// Has the pager bring `page`. Returns nil if what it needs has to be found again.
  private func bring(
    _ page: VirtualAddress, _ options: SupplyOptions, _ wasBrought: inout Bool
  ) -> FaultResolution? {
    guard let pager = SpacePager.current else { return .denied }
    let answer = pager.bring(address.rawValue, page.rawValue, UInt64(options.cachedPageCount))
    switch PageBringing(rawValue: answer) {
    case .busy: return .busy
    case .failed: return .failed
    case .outOfFrames: return reclaim()
    case .done: wasBrought = true
    case .again: break
    case .denied, nil: return .denied
    }
    return nil
  }

  /// Has the pager free frames. Returns nil if it did.
  private func reclaim() -> FaultResolution? {
    guard pagerNumber != 0, let pager = SpacePager.current else { return .outOfFrames }
    switch PageReclaiming(rawValue: pager.reclaim()) {
    case .done: return nil
    case .busy: return .busy
    case .nothing, nil: return .outOfFrames
    }
  }

  /// What it takes that `page` allows `access`, once no cursor is over it. Preemption is off.
  private func lockedNeed(of access: MemoryAccess, at page: VirtualAddress) -> PageNeed {
    let end = page.advanced(unchecked: PageSize.fourKiB.byteCount)
    return Cursor(locking: page..<end, of: self).need(of: access)
  }
}
