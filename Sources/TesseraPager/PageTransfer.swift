internal import TesseraFaults
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables

/// What has become of a transfer that was begun.
enum PageTransfer {
  case done
  /// It will be finished later.
  case later
  case failed
}

// The token of a transfer is the address of the memory, and 1 if the page is written. The transfer
// has a reference of the frame, so that the memory stays until it is finished.
extension PageStore {
  /// Begins to read `page`, which is locked, from `offset`. It is unlocked when that is finished,
  /// and up to date or in error.
  func read(_ page: PageReference, from offset: UInt64) -> PageTransfer {
    page.slot.share()
    PagerStatistics.count(.read)
    let token = page.address.rawValue
    return finish(read(context, offset, page.address.rawValue, token), token)
  }

  /// Begins to write `page`, which is not being written, to `offset`. It is no longer dirty, unless
  /// the transfer fails.
  func write(_ page: PageReference, to offset: UInt64) -> PageTransfer {
    page.slot.share()
    PagerStatistics.count(.write)
    page.change(removing: .dirty, adding: .writeback)
    let token = page.address.rawValue | 1
    return finish(write(context, offset, page.address.rawValue, token), token)
  }

  private func finish(_ answer: Int32, _ token: UInt64) -> PageTransfer {
    if answer == Answer.later { return .later }
    let succeeded = answer == Answer.done
    Pager.finish(token, succeeded: succeeded)
    return succeeded ? .done : .failed
  }
}

extension Pager {
  /// Finishes the transfer with `token`, of a store whose function has answered `later`. The page
  /// can be used, or has been written; if not `succeeded`, a fault that wants it fails once,
  /// and a page that was to be written stays dirty, and in memory.
  ///
  /// Waits for nothing, and may be called in an interrupt handler. A fault that was answered `busy`
  /// may be tried again. Panics if no such transfer is under way.
  public static func finish(_ token: UInt64, succeeded: Bool) {
    let isWrite = token & 1 != 0
    guard let slot = try? FrameTable.slot(at: PhysicalAddress(unchecked: token & ~1)),
      slot.count != ReferenceCount.unused, let page = PageReference(slot),
      isWrite ? page.has(.writeback) : page.has(.locked) && !page.has(.upToDate)
    else { panic("a transfer of a page was finished that is not under way") }
    if !succeeded { PagerStatistics.count(.storeFailure) }
    let swapSlot = isWrite && page.has(.reclaim) ? page.swapSlot : nil
    switch (isWrite, succeeded) {
    case (true, true): page.remove(.writeback.union(.reclaim).union(.error))
    case (true, false):
      page.change(removing: .writeback.union(.reclaim), adding: .dirty.union(.error))
    case (false, true):
      MemoryObjects.clearBehindEnd(page)
      page.change(removing: .locked.union(.error), adding: .upToDate)
    case (false, false): page.change(removing: .locked, adding: .error)
    }
    if let swapSlot { SwapSlots.drop(swapSlot) }
    // SAFETY: the transfer had this reference, and is finished.
    _ = unsafe PageFrame(adopting: slot)
  }
}
