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
    var supply = FrameSupply(for: page, options)
    while true {
      switch need {
      case .nothing: return .resolved(.nothing)
      case .denied: return .denied
      case .payload(let payload): return .needs(payload)
      case .zeros, .zeroedFrame, .copy, .takeover: break
      }
      // Before a node is locked, and with preemption as it is: to fill a frame takes long.
      let hasFrame = supply.allocate(for: need)
      do throws(TesseraError) {
        let supplied = try Preemption.disabled { () throws(TesseraError) in
          try supply.use(for: access, &need, in: self)
        }
        if let supplied { return .resolved(supplied) }
      } catch { return .outOfFrames }
      if !hasFrame && need.takesFrame { return .outOfFrames }
    }
  }

  /// What it takes that `page` allows `access`, once no cursor is over it. Preemption is off.
  private func lockedNeed(of access: MemoryAccess, at page: VirtualAddress) -> PageNeed {
    let end = page.advanced(unchecked: PageSize.fourKiB.byteCount)
    return Cursor(locking: page..<end, of: self).need(of: access)
  }
}
