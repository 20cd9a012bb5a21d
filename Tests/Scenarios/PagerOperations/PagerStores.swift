internal import TesseraHardware
internal import TesseraPager

/// The stores of a walk: the swap store, and one for each object. They fail, and finish later, as
/// they are told.
///
/// A store knows what is in a page as a walk does, and notices if there is more.
///
/// SAFETY: safe to use, because only `init` makes one, whose caller vouches for the memory.
@safe
struct PagerStores {
  /// A transfer that was begun and is finished later.
  struct Transfer: BitwiseCopyable {
    var token: UInt64 = 0
    var memory: UInt64 = 0
    /// The place among all pages; negative if the contents are not wanted any more.
    var place = 0
    var succeeds = true
    /// Whether it is copied only as it is finished, as by a device.
    var copiesLate = false
  }

  struct State {
    var random: SplitMix
    var isSlow: Bool
    /// How many of the next transfers fail, those of the swap store and those of others.
    var failingReads = [2 of Int](repeating: 0)
    var failingWrites = [2 of Int](repeating: 0)
    var readCount = 0
    var writeCount = 0
    var laterCount = 0
    var failedReadCount = 0
    var failedWriteCount = 0
    var waitingCount = 0
    /// Which of those who had its number an object's store belongs to.
    var serials = [4 of UInt](repeating: 0)
    var isLosingWrites = false
    var problem: StaticString?
  }

  static var swapPageCount: Int { 300 }
  static var pageCount: Int {
    swapPageCount + RandomPagerOperations.objectCount * PagerObject.capacity
  }
  static var transferCount: Int { 600 }

  private let state: UnsafeMutablePointer<State>
  /// The contents of all pages.
  let pages: ModelArray<PagerWords>
  private let waiting: ModelArray<Transfer>

  /// The stores of the walk that runs, for the functions that the pager calls.
  ///
  /// Access: by the processor that walks.
  nonisolated(unsafe) private static var current: PagerStores?

  static var byteCount: Int {
    (MemoryLayout<State>.size | 63) + 1 + ModelArray<PagerWords>.byteCount(pageCount)
      + ModelArray<Transfer>.byteCount(transferCount)
  }

  /// The caller gives memory of `byteCount` bytes, aligned to 64, for as long as this is used.
  @unsafe init(at memory: UnsafeMutableRawPointer) {
    let size = (MemoryLayout<State>.size | 63) + 1
    let others = unsafe memory + size + ModelArray<PagerWords>.byteCount(Self.pageCount)
    unsafe state = memory.bindMemory(to: State.self, capacity: 1)
    unsafe state.initialize(to: State(random: SplitMix(seed: 0), isSlow: false))
    pages = unsafe ModelArray(
      at: memory + size, count: Self.pageCount, repeating: PagerWords())
    waiting = unsafe ModelArray(at: others, count: Self.transferCount, repeating: Transfer())
  }

  /// Begins anew, with all pages zeros.
  func reset(seed: UInt64, isSlow: Bool) {
    for place in 0..<Self.pageCount { pages[place] = PagerWords() }
    // SAFETY: the memory is the walk's.
    unsafe state.pointee = State(random: SplitMix(seed: seed), isSlow: isSlow)
    // SAFETY: only this processor walks.
    unsafe Self.current = self
  }

  /// What the walk may ask and change.
  var counts: State {
    get {
      // SAFETY: the memory is the walk's.
      unsafe state.pointee
    }
    nonmutating _modify {
      // SAFETY: as above.
      yield unsafe &state.pointee
    }
  }

  /// The place of page `index` of object `number`.
  static func place(_ index: Int, of number: Int) -> Int {
    swapPageCount + number * PagerObject.capacity + index
  }
}

// What the pager calls.
extension PagerStores {
  static var swap: PageStore {
    PageStore(
      read: { PagerStores.begin($0, $1, $2, $3) }, write: { PagerStores.begin($0, $1, $2, $3) })
  }

  /// The store of the next object with `number`.
  func makeStore(of number: Int) -> PageStore {
    finish { _ in true }
    counts.serials[number] += 1
    for index in 0..<PagerObject.capacity { pages[Self.place(index, of: number)] = PagerWords() }
    return PageStore(
      context: UInt(number + 1) | counts.serials[number] << 8,
      read: { PagerStores.begin($0, $1, $2, $3) }, write: { PagerStores.begin($0, $1, $2, $3) },
      release: { PagerStores.release($0, $1, $2) })
  }

  private static var running: PagerStores {
    // SAFETY: only this processor walks.
    guard let stores = unsafe current else { panic("a store is used without a walk") }
    return stores
  }

  private static func begin(
    _ context: UInt, _ offset: UInt64, _ memory: UInt64, _ token: UInt64
  ) -> Int32 {
    running.begin(context, offset, memory, token)
  }

  private static func release(_ context: UInt, _ offset: UInt64, _ byteCount: UInt64) {
    running.release(context, offset, byteCount)
  }

  /// The place of the page at `offset`; nil if the object of the store is gone, and another has its
  /// number.
  private func place(_ context: UInt, _ offset: UInt64) -> Int? {
    let index = Int(offset / 4096)
    let number = Int(context & 0xff) - 1
    if number < 0 {
      if offset % 4096 == 0, index < Self.swapPageCount { return index }
    } else if offset % 4096 == 0, index < PagerObject.capacity {
      return counts.serials[number] == context >> 8 ? Self.place(index, of: number) : nil
    }
    note("a transfer is of a page of the store")
    return nil
  }

  private func begin(
    _ context: UInt, _ offset: UInt64, _ memory: UInt64, _ token: UInt64
  ) -> Int32 {
    let isWrite = token & 1 != 0
    let group = context & 0xff == 0 ? 0 : 1
    let transfer = Transfer(
      token: token, memory: memory, place: place(context, offset) ?? -1,
      succeeds: succeeds(isWrite, group),
      copiesLate: counts.isSlow && counts.random.oneIn(2))
    let isLater =
      counts.isSlow && counts.waitingCount < Self.transferCount && !counts.random.oneIn(4)
    if !isLater || !transfer.copiesLate { copy(transfer) }
    guard isLater else {
      return transfer.succeeds ? PageStore.Answer.done : PageStore.Answer.failed
    }
    counts.laterCount += 1
    waiting[counts.waitingCount] = transfer
    counts.waitingCount += 1
    return PageStore.Answer.later
  }

  /// Counts a transfer. Returns whether it is to succeed.
  private func succeeds(_ isWrite: Bool, _ group: Int) -> Bool {
    if isWrite {
      counts.writeCount += 1
      guard counts.failingWrites[group] > 0 else { return true }
      counts.failingWrites[group] -= 1
      counts.failedWriteCount += 1
    } else {
      counts.readCount += 1
      guard counts.failingReads[group] > 0 else { return true }
      counts.failingReads[group] -= 1
      counts.failedReadCount += 1
    }
    return false
  }

  private func copy(_ transfer: Transfer) {
    guard transfer.succeeds else { return }
    if transfer.token & 1 == 0 {
      let words = transfer.place >= 0 ? pages[transfer.place] : PagerWords()
      return words.fill(transfer.memory)
    }
    guard let words = PagerWords.contents(of: transfer.memory) else {
      return note("a page that is written has what programs wrote, and zeros")
    }
    let isLost = counts.isLosingWrites && counts.writeCount % 40 == 0
    if transfer.place >= 0, !isLost { pages[transfer.place] = words }
  }

  private func note(_ problem: StaticString) {
    if counts.problem == nil { counts.problem = problem }
  }

  /// The object does not want what the store has of some pages any more.
  private func release(_ context: UInt, _ offset: UInt64, _ byteCount: UInt64) {
    guard let first = place(context, offset) else { return }
    let places = first..<first + Int(byteCount / 4096)
    for place in places { pages[place] = PagerWords() }
    for number in 0..<counts.waitingCount where places.contains(waiting[number].place) {
      waiting[number].place = -1
    }
  }
}

extension PagerStores {
  /// Finishes those transfers that wait for which `isChosen` returns true.
  func finish(_ isChosen: (inout SplitMix) -> Bool) {
    var random = counts.random
    var left = 0
    let count = counts.waitingCount
    // In ascending or in descending order.
    let isReversed = random.oneIn(2)
    for step in 0..<count {
      let number = isReversed ? count - 1 - step : step
      guard isChosen(&random) else { continue }
      let transfer = waiting[number]
      waiting[number].token = 0
      if transfer.copiesLate { copy(transfer) }
      Pager.finish(transfer.token, succeeded: transfer.succeeds)
    }
    for number in 0..<count where waiting[number].token != 0 {
      waiting[left] = waiting[number]
      left += 1
    }
    counts.waitingCount = left
    counts.random = random
  }

  /// Has some of the next transfers of the swap store, or of others, fail.
  func fail(_ group: Int, reads: Int, writes: Int) {
    counts.failingReads[group] = reads
    counts.failingWrites[group] = writes
  }
}
