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
  func makeObject(isFile: Bool) throws {
    let store = ExploredStore(at: fileWords)
    for page in 0..<Self.objectPageCount {
      store.setWord(0, of: page, to: 100 + page)
      store.setWord(2, of: page, to: 200 * page)
    }
    object.pointee = try MemoryObject(
      byteCount: Self.objectPageCount * 4096, store: isFile ? store.pageStore : nil)
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

  /// Word `word` of the first page of the object, in its store.
  func storedWord(_ word: Int) -> UInt64 { ExploredStore(at: fileWords).word(word, of: 0) }

  /// Writes the word that is the calling processor's, as a program whose kernel resolves its
  /// faults. The result is 1 if it was written.
  func storeResolving(_ page: Int, in space: Int = 0) {
    resolveUntilUsable(.write, page, in: space)
    store(page, in: space)
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
    var words: [UInt64]?
    withSpace(space) { space in
      guard space.resolve(.read, at: Self.pages[page]).isResolved else { return }
      words = contents(of: page)
    }
    return space == 0 ? words : (words == nil ? nil : contents(of: page, in: space))
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

/// A store of few pages, of which it has the first words: memory of the explorer's, so that it is
/// as it was when a schedule begins.
struct ExploredStore {
  /// The words of each page that are stored.
  private static let wordCount = 4
  /// The number of pages.
  static let byteCount = 8 * 4 * 8

  private let start: UnsafeMutableRawPointer

  init(at start: UnsafeMutableRawPointer) { self.start = start }

  private init(_ context: UInt) { start = UnsafeMutableRawPointer(bitPattern: context)! }

  var pageStore: PageStore {
    PageStore(
      context: UInt(bitPattern: start),
      read: { context, offset, memory, _ in
        ExploredStore(context).copy(offset, memory, isWrite: false)
      },
      write: { context, offset, memory, _ in
        ExploredStore(context).copy(offset, memory, isWrite: true)
      })
  }

  private func place(_ word: Int, _ page: UInt64) -> UnsafeMutableRawPointer {
    start + (Int(page) * Self.wordCount + word) * 8
  }

  private func copy(_ offset: UInt64, _ memory: UInt64, isWrite: Bool) -> Int32 {
    let frame = PhysicalMemory.pointer(to: PhysicalAddress(memory))
    for word in 0..<Self.wordCount {
      let stored = place(word, offset / 4096)
      let source = isWrite ? frame + word * 8 : stored
      PhysicalMemory.storeWord(
        PhysicalMemory.loadWord(from: source), to: isWrite ? stored : frame + word * 8)
    }
    return PageStore.Answer.done
  }

  func word(_ word: Int, of page: UInt64) -> UInt64 {
    PhysicalMemory.loadWord(from: place(word, page))
  }

  func setWord(_ word: Int, of page: UInt64, to value: UInt64) {
    PhysicalMemory.storeWord(value, to: place(word, page))
  }
}
