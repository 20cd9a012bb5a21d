internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// Access to the memory of a space through the direct map, whether it is active or not.
///
/// Each page is locked while its bytes are used. Its rights are those of the program, and its
/// faults are resolved as the program's.
struct UserPages {
  let root: PageTableNode

  /// Calls `body` with each part of the `byteCount` bytes from `address` that lies in one page: its
  /// memory, the number of bytes before it, and its size. Returns the number of bytes before the
  /// first that does not allow `access`, or for which there is no frame.
  func forEachPart(
    of byteCount: Int, at address: UInt64, for access: MemoryAccess,
    _ body: (_ memory: PhysicalAddress, _ done: Int, _ count: Int) -> Void
  ) -> Int {
    var done = 0
    while done < byteCount {
      let (place, wraps) = address.addingReportingOverflow(UInt64(done))
      let count = min(byteCount - done, Int(4096 - place & 4095))
      if wraps { return done }
      let isDone = use(VirtualAddress(place), for: access) { body($0, done, count) }
      guard isDone else { return done }
      done += count
    }
    return done
  }

  /// Calls `body` with the memory of `address`, which is in the direct map, while its page is
  /// locked. Returns false if the page does not allow `access`, or there is no frame for it.
  func use(
    _ address: VirtualAddress, for access: MemoryAccess, _ body: (PhysicalAddress) -> Void
  ) -> Bool {
    while true {
      switch tryUsing(address, for: access, body) {
      case .done: return true
      case .impossible: return false
      case .missing: break
      }
      guard root.resolve(access, at: address).isResolved else { return false }
    }
  }

  private enum Attempt {
    /// The body was called.
    case done
    /// The page does not allow the access yet.
    case missing
    /// The page cannot be used here.
    case impossible
  }

  /// As `use`, if the page allows the access as it is.
  private func tryUsing(
    _ address: VirtualAddress, for access: MemoryAccess, _ body: (PhysicalAddress) -> Void
  ) -> Attempt {
    let page = address.alignedDown(to: PageSize.fourKiB.byteCount)
    guard page >= VmSpace.start, page < VmSpace.end else { return .impossible }
    return Preemption.disabled { () -> Attempt in
      let end = page.advanced(unchecked: PageSize.fourKiB.byteCount)
      let cursor = Cursor(locking: page..<end, of: root)
      guard cursor.need(of: access) == .nothing else { return .missing }
      guard let target = cursor.use(address, for: access) else { return .impossible }
      body(target)
      return .done
    }
  }
}
