internal import DemoPlatform
internal import Tessera
internal import TesseraHardware

/// Stores of pages on the disk: the swap area, and the area of a file.
///
/// A page is read while its reader waits. Pages are written many at a time: a write is finished
/// when a processor next asks the disk what it has done.
enum DiskStore {
  /// Where the file begins on the disk, in bytes. Before it is what else the demonstration writes.
  static let fileStart: UInt64 = 32 << 20

  /// A store that begins at `start` on the disk, in bytes.
  static func store(at start: UInt64) -> PageStore {
    PageStore(context: UInt(start), read: readPage, write: writePage)
  }

  /// Finishes what the disk has written.
  static func finishWrites() {
    Disk.poll { token, succeeded in Pager.finish(token, succeeded: succeeded) }
  }
}

private func readPage(
  _ start: UInt, _ offset: UInt64, _ memory: UInt64, _ token: UInt64
) -> Int32 {
  // SAFETY: the memory is the transfer's until it is finished.
  let isRead = unsafe Disk.transfer(
    .read, firstSector: (UInt64(start) + offset) / 512, byteCount: 4096,
    at: PhysicalAddress(memory))
  return isRead ? PageStore.Answer.done : PageStore.Answer.failed
}

private func writePage(
  _ start: UInt, _ offset: UInt64, _ memory: UInt64, _ token: UInt64
) -> Int32 {
  while true {
    // SAFETY: the memory is the transfer's until it is finished, and has the page's contents.
    let isSubmitted = unsafe Disk.submit(
      .write, firstSector: (UInt64(start) + offset) / 512, byteCount: 4096,
      at: PhysicalAddress(memory), token: token)
    DiskStore.finishWrites()
    if isSubmitted { return PageStore.Answer.later }
  }
}
