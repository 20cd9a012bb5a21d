import CTessera
import Tessera
import Testing

/// A store of pages that fails, and finishes later, as it is told.
final class TestStore {
  /// The contents of the pages that were written, by their offset. Others are zeros.
  private(set) var pages: [UInt64: [UInt64]] = [:]
  private(set) var readCount = 0
  private(set) var writeCount = 0
  /// Whether transfers finish only when `finishAll` is called.
  var isSlow = false
  /// Whether those that wait finish in the reverse order.
  var reorders = false
  /// How many more transfers succeed.
  var remainingReads = Int.max
  var remainingWrites = Int.max
  private var failingReads = 0
  private var failingWrites = 0
  /// Whether transfers were ever told to fail.
  private(set) var hasFailed = false
  /// Those that wait. With the offset of a page that is written.
  private var waiting: [(token: UInt64, succeeds: Bool, offset: UInt64?)] = []
  /// Whether pages that wait are copied from memory only as they finish, as by a device.
  var copiesLate = false
  /// Called, once, while the next page is being read.
  var duringRead: (() -> Void)?
  /// Called, once, while the next page is being written, after its contents were copied.
  var duringWrite: (() -> Void)?

  var waitingCount: Int { waiting.count }
  /// The tokens of the transfers that wait.
  var waitingTokens: [UInt64] { waiting.map(\.token) }

  init() {}

  var pageStore: PageStore {
    PageStore(
      context: UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()),
      read: { TestStore.at($0).read($1, $2, $3) }, write: { TestStore.at($0).write($1, $2, $3) })
  }

  private static func at(_ context: UInt) -> TestStore {
    unsafe Unmanaged.fromOpaque(UnsafeRawPointer(bitPattern: context)!).takeUnretainedValue()
  }

  private func words(_ memory: UInt64) -> UnsafeMutablePointer<UInt64> {
    unsafe PhysicalMemory.pointer(to: PhysicalAddress(memory))
      .assumingMemoryBound(to: UInt64.self)
  }

  private func read(_ offset: UInt64, _ memory: UInt64, _ token: UInt64) -> Int32 {
    #expect(offset % 4096 == 0)
    readCount += 1
    let succeeds = take(&remainingReads) && !isFailing(&failingReads)
    if succeeds {
      let page = pages[offset] ?? Array(repeating: 0, count: 512)
      for index in 0..<512 { unsafe words(memory)[index] = page[index] }
    }
    if let body = duringRead {
      duringRead = nil
      body()
    }
    return answer(token, succeeds)
  }

  private func write(_ offset: UInt64, _ memory: UInt64, _ token: UInt64) -> Int32 {
    #expect(offset % 4096 == 0)
    writeCount += 1
    let succeeds = take(&remainingWrites) && !isFailing(&failingWrites)
    if succeeds { store(memory, at: offset) }
    if let body = duringWrite {
      duringWrite = nil
      body()
    }
    return answer(token, succeeds, writing: offset)
  }

  private func store(_ memory: UInt64, at offset: UInt64) {
    pages[offset] = (0..<512).map { unsafe words(memory)[$0] }
  }

  private func take(_ remaining: inout Int) -> Bool {
    guard remaining > 0 else { return false }
    if remaining != .max { remaining -= 1 }
    return true
  }

  private func isFailing(_ count: inout Int) -> Bool {
    guard count > 0 else { return false }
    count -= 1
    return true
  }

  private func answer(_ token: UInt64, _ succeeds: Bool, writing offset: UInt64? = nil) -> Int32 {
    guard isSlow else { return succeeds ? PageStore.Answer.done : PageStore.Answer.failed }
    waiting.append((token, succeeds, offset))
    return PageStore.Answer.later
  }

  /// Finishes all transfers that wait.
  func finishAll() { finish { true } }

  /// Finishes those transfers that wait for which `isChosen` returns true.
  func finish(_ isChosen: () -> Bool) {
    let all = reorders ? waiting.reversed() : waiting
    waiting = []
    for transfer in all {
      if isChosen() {
        if copiesLate, transfer.succeeds, let offset = transfer.offset {
          store(transfer.token & ~1, at: offset)
        }
        Pager.finish(transfer.token, succeeded: transfer.succeeds)
      } else {
        waiting.append(transfer)
      }
    }
  }

  /// Has the next transfers fail, so many of each kind, and those after them succeed.
  func failNext(reads: Int, writes: Int) {
    (failingReads, failingWrites) = (reads, writes)
    hasFailed = hasFailed || reads + writes > 0
  }

  /// Sets page `index` to copies of `value`.
  func setPage(_ index: UInt64, to value: UInt64) {
    pages[index * 4096] = Array(repeating: value, count: 512)
  }

  /// The first word of page `index`.
  func word(_ index: UInt64) -> UInt64 { pages[index * 4096]?.first ?? 0 }
}
