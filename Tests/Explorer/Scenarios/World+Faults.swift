import ExplorerRuntime
import SimulatedMachine
import Tessera
import TesseraFaults
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TesseraSpaces

// Page faults, forks and the memory of programs: each is one call, and adds its result.
extension World {
  /// Makes a page appear when it is used.
  func setDemandZero(_ page: Int) {
    withSpace(0) { space in
      try! space.withCursor(over: Self.range(page)) { cursor throws(TesseraError) in
        try cursor.setDemandZero(4096, as: .userReadWrite)
      }
    }
  }

  /// Has every processor find free frames in its own cache, of which the first is not empty.
  func fillCaches() {
    let place = Self.placeCount - 1
    for number in 0..<scenario.processorCount {
      asProcessor(number) {
        allocate(place)
        for word in 0..<3 { Self.stamp(of: frameAddresses[place])[word] = 0xdead }
        drop(place)
      }
    }
  }

  /// Has every processor write to a page, so that each may write it again without a walk. What they
  /// have written is taken back.
  func dirtyEverywhere(_ page: Int) {
    for number in 0..<scenario.processorCount { asProcessor(number) { write(page) } }
    withSpace(0) { space in
      guard let (frame, _) = space.translate(Self.pages[page]) else { return }
      Self.stamp(of: frame)[1] = 0
    }
  }

  /// Takes away what a page maps, and makes it appear when it is used.
  func discard(_ page: Int) {
    explorer_begin_call()
    var result: UInt64 = 1
    withSpace(0) { space in
      do throws(TesseraError) {
        try space.withCursor(over: Self.range(page)) { cursor throws(TesseraError) in
          try cursor.unmap(4096)
          try cursor.jump(to: Self.pages[page])
          try cursor.setDemandZero(4096, as: .userReadWrite)
        }
      } catch { result = 1000 }
    }
    explorer_add_result(result)
  }

  /// Answers a fault of a program. The result is one of `supplied`, or 0 if it is denied.
  func resolve(_ access: MemoryAccess, _ page: Int, in space: Int = 0) {
    explorer_begin_call()
    var result: UInt64 = 0
    withSpace(space) { space in
      switch space.resolve(access, at: Self.pages[page]) {
      case .resolved(let supply): result = Self.number(of: supply)
      case .denied: result = 0
      case .needs: result = 200
      case .busy, .failed: result = 250
      case .outOfFrames: result = 300
      }
    }
    explorer_add_result(result)
  }

  /// The result of `resolve` for what was supplied.
  static func number(of supply: PageSupply) -> UInt64 {
    switch supply {
    case .nothing: 1
    case .zeros: 2
    case .zeroedFrame: 3
    case .copy: 4
    case .takeover: 5
    case .paged: 6
    }
  }

  /// The result that a processor has added `count` results before its end.
  func result(of processor: Int, fromEnd count: UInt64) -> UInt64 {
    let last = UInt32(EXPLORER_RESULTS) - 1
    let total = explorer_result(UInt32(processor), last)
    return explorer_result(UInt32(processor), UInt32(total - count))
  }

  /// Writes a word for a program: that of the calling processor, or another.
  func store(_ page: Int, in space: Int = 0, word: UInt64? = nil) {
    explorer_begin_call()
    let address = Self.pages[page].rawValue + (word ?? 1 + Self.current) * 8
    var isDone = false
    withSpace(space) { isDone = $0.store(1 + Self.current, at: VirtualAddress(address)) }
    explorer_add_result(isDone ? 1 : 0)
  }

  /// Reads the word of processor `number`, for a program.
  func load(_ page: Int, wordOf number: Int, in space: Int = 0) {
    explorer_begin_call()
    let address = VirtualAddress(Self.pages[page].rawValue + (1 + UInt64(number)) * 8)
    var value: UInt64?
    withSpace(space) { value = $0.load(UInt64.self, at: address) }
    explorer_add_result(value ?? 1000)
  }

  /// Forks a space to a place that has none.
  func fork(_ space: Int, to other: Int) {
    explorer_begin_call()
    var result: UInt64 = 1
    withSpace(space) { space in
      do throws(TesseraError) {
        (spaces + other).pointee = try space.fork()
      } catch { result = 1000 }
    }
    explorer_add_result(result)
  }

  /// The words of a page: who has filled its frame, and what each processor has written. Nil if it
  /// is not mapped.
  func contents(of page: Int = 0, in space: Int = 0) -> [UInt64]? {
    var words: [UInt64]?
    withSpace(space) { space in
      guard let (frame, _) = space.translate(Self.pages[page]) else { return }
      words = (0...scenario.processorCount).map { Self.stamp(of: frame)[$0] }
    }
    return words
  }

  /// Looks for a page without a lock, and reads who has filled its frame.
  func examine(_ page: Int) {
    explorer_begin_call()
    explorer_add_result(contents(of: page)?.first ?? 0)
  }

  /// Makes the contents of page 0 of the first spaces a part of the outcome.
  func noteContents() {
    for space in 0..<3 {
      var digest: UInt64 = 0
      for word in contents(in: space) ?? [] { digest = digest &* 31 &+ word &+ 1 }
      explorer_set_outcome(UInt32(Self.placeCount + space), digest)
    }
  }
}
