import Scenarios
import SimulatedMachine
import Tessera
import TesseraFrames
import TestSupport

@testable import TesseraPageTables
@testable import TesseraSpaces

/// Several processors that run in one space, whose pages go to stores and come back meanwhile.
///
/// In each region of the space, each processor has pages that it alone writes, so that it knows
/// what they have. The number of who wrote a value is in its upper half; others read values of
/// that processor, and none that is older than one that they have read.
final class PagerStorm: @unchecked Sendable {
  /// Where the pages of the space are from.
  enum Region: UInt64, CaseIterable {
    /// Pages that begin as zeros, and are copied by forks.
    case anonymous
    /// Nothing, unless a processor has moved its anonymous pages there.
    case spare
    /// A file of which the space has copies of its own.
    case privateFile
    /// A file that is written through the space.
    case sharedFile
    /// Memory that all spaces share.
    case memory
    /// An object of each processor, which makes it longer and shorter.
    case scratch

    /// For each processor.
    var pageCount: Int {
      switch self {
      case .anonymous, .spare, .scratch: 8
      case .privateFile, .sharedFile, .memory: 4
      }
    }

    /// The address of page `page` of processor `number`. Regions lie in leaf tables of their own,
    /// or across two.
    func address(_ page: Int, of number: Int) -> UInt64 {
      let index = UInt64(number * pageCount + page)
      return (1 << 30) + rawValue * (1 << 21) - 4096 * (rawValue * 7) + index * 4096
    }

    /// Its pages from `page` of processor `number` on.
    func range(_ page: Int, _ count: Int, of number: Int) -> Range<VirtualAddress> {
      bytes(address(page, of: number), UInt64(count) * 4096)
    }

    /// The pages of all processors.
    func range(for processorCount: Int) -> Range<VirtualAddress> {
      range(0, pageCount * processorCount, of: 0)
    }
  }

  let processorCount: Int
  let mmu: LazyMMUs
  let common: VmSpace
  let file: MemoryObject
  let memory: MemoryObject
  let library: MemoryObject
  let fileStore: SharedStore
  private let libraryStore: SharedStore
  private let swap: SharedStore

  private init(
    on machine: SimulatedMachine, _ swap: SharedStore, isSlow: Bool, isFailing: Bool,
    _ random: inout SplitMix
  ) throws {
    processorCount = machine.processorCount
    mmu = LazyMMUs(of: machine)
    self.swap = swap
    fileStore = SharedStore(isSlow: isSlow, isFailing: isFailing, random.fork())
    libraryStore = SharedStore(isSlow: isSlow, isFailing: isFailing, random.fork())
    let filePageCount = UInt64(processorCount * 4)
    for page in 0..<filePageCount {
      fileStore.setPage(page, to: Self.value(by: Int(page / 4), 0))
      libraryStore.setPage(page, to: Self.libraryValue(page))
    }
    file = try MemoryObject(byteCount: filePageCount * 4096, store: fileStore.pageStore)
    library = try MemoryObject(byteCount: filePageCount * 4096, store: libraryStore.pageStore)
    memory = try MemoryObject(byteCount: filePageCount * 4096)
    common = try VmSpace()
    try common.startPaging()
    let anonymous = Region.anonymous.range(for: processorCount)
    try common.withCursor(over: anonymous) { cursor throws(TesseraError) in
      try cursor.setDemandZero(cursor.byteCountLeft, as: .userReadWrite)
    }
    let all = processorCount
    try common.map(library, at: Region.privateFile.range(for: all), as: .userReadWrite)
    try common.map(file, at: Region.sharedFile.range(for: all), as: Self.shared)
    try common.map(memory, at: Region.memory.range(for: all), as: Self.shared)
  }

  static var shared: PageProperty { .userReadWrite.with(isShared: true) }

  /// The value that processor `number` writes as its `count`th.
  static func value(by number: Int, _ count: UInt64) -> UInt64 { UInt64(number + 1) << 32 | count }

  /// What page `page` of the file has that is never written.
  static func libraryValue(_ page: UInt64) -> UInt64 { 1 << 48 | page }

  /// Finishes some transfers of the stores.
  func finishSome() {
    swap.finishSome()
    fileStore.finishSome()
    libraryStore.finishSome()
  }

  /// The number of times that a page could not be read.
  private var failedReadCount: Int {
    swap.failedReadCount + fileStore.failedReadCount + libraryStore.failedReadCount
  }

  private func finishAll() {
    swap.finishAll()
    fileStore.finishAll()
    libraryStore.finishAll()
  }
}

// A storm, and what is there afterwards.
extension PagerStorm {
  /// Has each of `processorCount` processors of a new machine do `stepCount` steps. Returns what
  /// all of them noted, and what is wrong afterwards.
  static func run(
    _ stepCount: Int, on processorCount: Int, isSlow: Bool, isFailing: Bool = false,
    _ random: SplitMix
  ) throws -> PagerStormNotes {
    let machine = SimulatedMachine(
      frameCount: 320 + 80 * processorCount, reserved: 1, processorCount: processorCount)
    try machine.startKernelSpace()
    try machine.startProcessors()
    tidyHeaps(of: machine)
    let used = FrameAllocator.statistics.usedFrameCount
    var notes = PagerStormNotes()
    var random = random
    let swap = SharedStore(isSlow: isSlow, isFailing: isFailing, random.fork())
    try Pager.start()
    try Pager.startSwap(swap.pageStore, pageCount: 1024)
    do {
      let storm = try PagerStorm(
        on: machine, swap, isSlow: isSlow, isFailing: isFailing, &random)
      let walks = try (0..<processorCount).map {
        try PagerStormWalk($0, of: storm, random.fork())
      }
      machine.onEveryProcessor { number in walks[number].run(stepCount) }
      storm.finishAll()
      machine.onEveryProcessor { number in walks[number].finish() }
      storm.finishAll()
      for walk in walks { notes.add(walk.notes) }
      let failures = notes.counts[.failure, default: 0]
      if failures > storm.failedReadCount {
        notes.note("\(failures) pages failed, and the stores failed \(storm.failedReadCount) times")
      }
      for problem in storm.common.problems { notes.note("\(problem)") }
    }
    swap.finishAll()
    if Pager.swapUsage.used != 0 { notes.note("\(Pager.swapUsage.used) slots of swap are lost") }
    let usage = Pager.usage()
    if usage.objects.resident != 0 { notes.note("\(usage.objects.resident) pages are lost") }
    Pager.stop()
    tidyHeaps(of: machine)
    let last = FrameAllocator.statistics.usedFrameCount
    if last != used { notes.note("\(last) frames are in use, and \(used) were") }
    for problem in machine.violations { notes.note(problem) }
    return notes
  }

  /// Has the heap keep nothing but the record of each processor.
  private static func tidyHeaps(of machine: SimulatedMachine) {
    machine.onEveryProcessor { _ in
      if let memory = unsafe try? Heap.allocate(byteCount: 16) { unsafe Heap.free(memory) }
    }
    for _ in 0..<3 {
      machine.onEveryProcessor { _ in Heap.trim() }
    }
    NodePool.drain()
  }
}
