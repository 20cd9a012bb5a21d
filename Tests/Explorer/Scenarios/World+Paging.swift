import ExplorerRuntime
import SimulatedMachine
import Tessera
import TesseraFaults
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TesseraPager
import TesseraSpaces

// The pager: each is one call, and adds its result.
extension World {
  /// The pages of the object.
  static let objectPageCount: UInt64 = 2

  /// Has the pager page the first space, whose pages may go to a store.
  func startPaging() throws {
    try Pager.start()
    Pager.setMarks(low: 0, high: 0)
    try Pager.startSwap(ExploredStore(at: swapWords).pageStore, pageCount: 8)
    spaces[0] = try VmSpace()
    try addToPager(0)
    isPaging.pointee = 1
  }

  /// Has the pager page the space at `index`, which is in no family yet.
  func addToPager(_ index: Int) throws {
    var failure: TesseraError?
    withSpace(index) { space in
      do throws(TesseraError) { try space.startPaging() } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Makes the object: a file if `isFile`, whose pages have 100 and 101 in their first words,
  /// and the second 200 in its third.
  func makeObject(isFile: Bool, byteCount: UInt64 = objectPageCount * 4096) throws {
    let store = ExploredStore(at: fileWords)
    for page in 0..<Self.objectPageCount {
      store.setWord(0, of: page, to: 100 + page)
      store.setWord(2, of: page, to: 200 * page)
    }
    object.pointee = try MemoryObject(
      byteCount: byteCount, store: isFile ? store.pageStore : nil)
  }

  private func withObject(_ body: (borrowing MemoryObject) -> Void) {
    switch object.pointee {
    case .none: break
    case .some(let object): body(object)
    }
  }

  /// Maps the object at the first pages of a space.
  func mapObject(in space: Int = 0, isShared: Bool = true) {
    explorer_begin_call()
    var result: UInt64 = 1
    withObject { object in
      withSpace(space) { space in
        do throws(TesseraError) {
          try space.map(
            object, at: Self.range(0, count: Int(Self.objectPageCount)),
            as: .userReadWrite.with(isShared: isShared))
        } catch { result = 1000 + Self.number(of: error) }
      }
    }
    explorer_add_result(result)
  }

  /// The slot of the frame that a page maps.
  func slot(of page: Int, in space: Int = 0) -> FrameSlotReference? {
    var found: FrameSlotReference?
    withSpace(space) { space in
      guard let address = space.translate(Self.pages[page])?.0 else { return }
      found = FrameTable.slot(number: address.frameNumber)
    }
    return found
  }

  /// Notes where a page is, so that `reclaim` finds it, and has it be old.
  func makeOld(_ page: Int = 0) {
    guard let slot = slot(of: page) else { return }
    frameAddresses[0] = slot.address
    for index in 0..<3 {
      withSpace(index) { space in
        try! space.withCursor(over: Self.range(page)) { cursor throws(TesseraError) in
          _ = cursor.takeAccessed(slot)
        }
      }
    }
    // SAFETY: the frame is a page of the pager.
    let state = unsafe slot.storage(as: PageMetadata.self).pointee.state
      .load(ordering: .relaxed)
    // SAFETY: as above.
    unsafe slot.storage(as: PageMetadata.self).pointee.state
      .store(state & (1 << PageMetadata.ageShift - 1), ordering: .relaxed)
  }

  /// Has the clock of the reclaimer visit the page of `makeOld`.
  func reclaim() {
    explorer_begin_call()
    var result = ReclaimResult()
    Pager.visit(FrameTable.slot(number: frameAddresses[0].frameNumber), &result)
    explorer_add_result(UInt64(result.freed * 2 + result.beingWritten))
  }

  /// Makes the object so many bytes long.
  func resize(to byteCount: UInt64) {
    explorer_begin_call()
    var result: UInt64 = 1
    withObject { object in
      do throws(TesseraError) {
        try object.resize(to: byteCount)
      } catch { result = 1000 + Self.number(of: error) }
    }
    explorer_add_result(result)
  }

  /// Writes the object to its store. The result is what the store has then of the word that
  /// processor `number` writes to its first page, if it has all.
  func synchronize(wordOf number: Int) {
    explorer_begin_call()
    withObject { object in
      let isComplete = object.synchronize().isComplete
      explorer_add_result(isComplete ? storedWord(1 + number) : 1000)
    }
  }

  /// Writes the object to its store until that has all. Only for the end of a schedule.
  func synchronizeAll() {
    withObject { object in
      for _ in 0..<3 where !object.synchronize().isComplete { finishTransfers() }
    }
  }

  /// Has both stores answer that they finish later what is begun from here on.
  func makeStoresSlow() {
    for words in [swapWords, fileWords] { ExploredStore(at: words).makeSlow() }
  }

  /// Finishes the transfers that have begun, as a device does, or fails them. Returns whether there
  /// was one.
  @discardableResult
  func finishTransfers(succeeding: Bool = true) -> Bool {
    explorer_begin_call()
    var isAny = false
    for words in [swapWords, fileWords] {
      if ExploredStore(at: words).finish(succeeding: succeeding) { isAny = true }
    }
    return isAny
  }

  /// Finishes one transfer, for which it waits.
  func awaitTransfer() {
    for _ in 0..<20 {
      if finishTransfers() { return }
      Processor.pause()
    }
  }

  /// Word `word` of the first page of the object, in its store.
  func storedWord(_ word: Int) -> UInt64 { ExploredStore(at: fileWords).word(word, of: 0) }

  /// Writes the word that is the calling processor's, as a program whose kernel resolves its
  /// faults. The result is 1 if it was written.
  func storeResolving(_ page: Int, in space: Int = 0, word: UInt64? = nil) {
    resolveUntilUsable(.write, page, in: space)
    store(page, in: space, word: word)
  }

  /// Reads the word of processor `number` as a program whose kernel resolves its faults.
  func loadResolving(_ page: Int, wordOf number: Int, in space: Int = 0) {
    resolveUntilUsable(.read, page, in: space)
    load(page, wordOf: number, in: space)
  }

  /// Answers a fault until the page can be used, or cannot be.
  private func resolveUntilUsable(_ access: MemoryAccess, _ page: Int, in space: Int) {
    explorer_begin_call()
    var result: UInt64 = 250
    withSpace(space) { space in
      for _ in 0..<20 {
        switch space.resolve(access, at: Self.pages[page]) {
        case .resolved(let supply): result = Self.number(of: supply)
        case .busy:
          Processor.pause()
          continue
        case .denied: result = 0
        case .failed: explorer_fail("check", "a page failed though its store did not")
        case .needs: result = 200
        case .outOfFrames: result = 300
        }
        return
      }
    }
    explorer_add_result(result)
  }

  /// What a program reads of the first three words of a page; nil if it is denied. Only for the end
  /// of a schedule.
  func words(of page: Int = 0, in space: Int = 0) -> [UInt64]? {
    var isResolved = false
    withSpace(space) { space in
      for _ in 0..<3 where !isResolved {
        isResolved = space.resolve(.read, at: Self.pages[page]).isResolved
        finishTransfers()
      }
    }
    return isResolved ? contents(of: page, in: space) : nil
  }

  /// Stops the pager, with all spaces gone. Returns what is wrong.
  var pagerProblem: String? {
    guard isPaging.pointee != 0 else { return nil }
    object.pointee = nil
    let used = Pager.swapUsage.used
    guard used == 0 else { return "\(used) slots of swap are lost" }
    isPaging.pointee = 0
    Pager.stop()
    return nil
  }
}
