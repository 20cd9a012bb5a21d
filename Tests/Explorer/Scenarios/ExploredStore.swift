import ExplorerRuntime
import TesseraHardware
import TesseraPager

/// A store of few pages, of which it has the first words: memory of the explorer's, so that it is
/// as it was when a schedule begins.
///
/// If it is slow, a transfer is noted in one more word, and `finish` copies the page.
struct ExploredStore {
  /// The words of each page that are stored.
  private static let wordCount = 4
  private static let pageCount = 8
  /// The words behind the pages: the transfer that has begun, and whether the store is slow.
  private static let transferWord = wordCount * pageCount
  private static let slowWord = transferWord + 1
  static let byteCount = (slowWord + 1) * 8

  private let start: UnsafeMutableRawPointer

  init(at start: UnsafeMutableRawPointer) { self.start = start }

  private init(_ context: UInt) { start = UnsafeMutableRawPointer(bitPattern: context)! }

  var pageStore: PageStore {
    PageStore(
      context: UInt(bitPattern: start),
      read: { context, offset, memory, token in
        ExploredStore(context).begin(offset / 4096, memory, token)
      },
      write: { context, offset, memory, token in
        ExploredStore(context).begin(offset / 4096, memory, token)
      })
  }

  private func place(_ word: Int, _ page: UInt64) -> UnsafeMutableRawPointer {
    start + (Int(page) * Self.wordCount + word) * 8
  }

  private func begin(_ page: UInt64, _ memory: UInt64, _ token: UInt64) -> Int32 {
    guard PhysicalMemory.loadWord(from: place(Self.slowWord, 0)) != 0 else {
      copy(page, memory, isWrite: token & 1 != 0)
      return PageStore.Answer.done
    }
    // The address in the token is that of a frame.
    let isFirst = exchange(expected: 0, new: token | page << 1)
    if !isFirst { explorer_fail("check", "a store has two transfers at once") }
    return PageStore.Answer.later
  }

  /// Finishes the transfer that has begun, if there is one. Returns whether there was.
  func finish(succeeding: Bool) -> Bool {
    let noted = PhysicalMemory.loadWord(from: place(Self.transferWord, 0))
    guard noted != 0, exchange(expected: noted, new: 0) else { return false }
    let token = noted & ~0xfff | noted & 1
    if succeeding { copy(noted >> 1 & 0x7ff, noted & ~0xfff, isWrite: noted & 1 != 0) }
    Pager.finish(token, succeeded: succeeding)
    return true
  }

  private func exchange(expected: UInt64, new: UInt64) -> Bool {
    PhysicalMemory.exchangeWord(
      at: place(Self.transferWord, 0), expected: expected, new: new) == expected
  }

  private func copy(_ page: UInt64, _ memory: UInt64, isWrite: Bool) {
    let frame = PhysicalMemory.pointer(to: PhysicalAddress(memory))
    for word in 0..<Self.wordCount {
      let stored = place(word, page)
      let source = isWrite ? frame + word * 8 : stored
      PhysicalMemory.storeWord(
        PhysicalMemory.loadWord(from: source), to: isWrite ? stored : frame + word * 8)
    }
  }

  func makeSlow() { PhysicalMemory.storeWord(1, to: place(Self.slowWord, 0)) }

  func word(_ word: Int, of page: UInt64) -> UInt64 {
    PhysicalMemory.loadWord(from: place(word, page))
  }

  func setWord(_ word: Int, of page: UInt64, to value: UInt64) {
    PhysicalMemory.storeWord(value, to: place(word, page))
  }
}
