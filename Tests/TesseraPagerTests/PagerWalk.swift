import Scenarios
import SimulatedMachine
import Tessera
import TestSupport
import Testing

@testable import TesseraPageTables
@testable import TesseraSpaces

/// A walk through the pager, and the model that it is compared with.
///
/// Up to four spaces, each with 48 anonymous pages, 24 of a private and 24 of a shared mapping of a
/// file, and 16 of memory that all of them share. A page has a value: its first word. Pages that
/// are written get values that were never used.
final class PagerWalk {
  /// A space, and the values of the pages that are its own: of the anonymous ones, and of those of
  /// the private mapping that it has written.
  private final class Member {
    let space: VmSpace
    var anonymous: [UInt64]
    var copies: [UInt64?]

    init(_ space: consuming VmSpace, anonymous: [UInt64], copies: [UInt64?]) {
      self.space = space
      self.anonymous = anonymous
      self.copies = copies
    }
  }

  private enum Region: UInt64, CaseIterable {
    case anonymous, privateFile, sharedFile, memory

    var pageCount: UInt64 {
      switch self {
      case .anonymous: 48
      case .privateFile, .sharedFile: 24
      case .memory: 16
      }
    }

    /// Regions of a walk lie in leaf tables of their own, or across two.
    func address(_ page: UInt64) -> UInt64 {
      (1 << 30) + rawValue * (1 << 21) - 4096 * (rawValue * 7) + page * 4096
    }

    var range: Range<VirtualAddress> { bytes(address(0), pageCount * 4096) }
  }

  private let machine: SimulatedMachine
  private var random: any RandomNumberGenerator
  private let swap = TestStore()
  private let file = TestStore()
  private let object: MemoryObject
  private let memory: MemoryObject
  let usedBefore: UInt64
  private var members: [Member] = []
  /// The values of the pages of the file, as far as it goes, and of the memory.
  private var fileValues: [UInt64]
  private var memoryValues = [UInt64](repeating: 0, count: 16)
  private var nextValue: UInt64 = 1000
  private(set) var tally = PagerWalkTally()
  private(set) var hasFailed = false
  private var step = 0

  init(
    on machine: SimulatedMachine, drawing random: any RandomNumberGenerator, isSlow: Bool
  ) throws {
    self.machine = machine
    self.random = random
    unsafe Heap.free(try Heap.allocate(byteCount: 16))
    Heap.trim()
    NodePool.drain()
    usedBefore = FrameAllocator.statistics.usedFrameCount
    for store in [swap, file] {
      store.isSlow = isSlow
      store.reorders = isSlow
    }
    try Pager.start()
    try Pager.startSwap(swap.pageStore, pageCount: 300)
    fileValues = (0..<24).map { $0 + 100 }
    for page in 0..<24 as Range<UInt64> { file.setPage(page, to: page + 100) }
    object = try MemoryObject(byteCount: 24 * 4096, store: file.pageStore)
    memory = try MemoryObject(byteCount: 16 * 4096)
    let space = try VmSpace()
    try space.startPaging()
    try space.withCursor(over: Region.anonymous.range) { cursor throws(TesseraError) in
      try cursor.setDemandZero(48 * 4096, as: .userReadWrite)
    }
    let shared = PageProperty.userReadWrite.with(isShared: true)
    try space.map(object, at: Region.privateFile.range, as: .userReadWrite)
    try space.map(object, at: Region.sharedFile.range, as: shared)
    try space.map(memory, at: Region.memory.range, as: shared)
    members = [
      Member(
        space, anonymous: Array(repeating: 0, count: 48), copies: Array(repeating: nil, count: 24))
    ]
  }

  func run(_ count: Int) throws {
    for _ in 0..<count where !hasFailed {
      step += 1
      try perform(draw(100))
      if step % 250 == 0 { try compareAll() }
    }
  }

  private func perform(_ choice: UInt64) throws {
    switch choice {
    case ..<40: try write()
    case ..<70: try read()
    case ..<82: reclaim()
    case ..<85: try fork()
    case ..<88: destroy()
    case ..<91: synchronize()
    case ..<93: try resize()
    case ..<95: try replaceAnonymous()
    case ..<97: try useByKernel()
    case ..<98: fail()
    default: finishSome()
    }
  }

  private func draw(_ count: UInt64) -> UInt64 { random.next(upperBound: count) }

  private func expect(_ isRight: Bool, _ sentence: @autoclosure () -> String) {
    guard !isRight, !hasFailed else { return }
    hasFailed = true
    Issue.record("step \(step): \(sentence())")
  }
}

// What programs do.
extension PagerWalk {
  private func anyMember() -> Member { members[Int(draw(UInt64(members.count)))] }

  private func anyPage() -> (region: Region, page: UInt64) {
    let region = Region.allCases[Int(draw(4))]
    return (region, draw(region.pageCount))
  }

  private func newValue() -> UInt64 {
    nextValue += 1
    return nextValue
  }

  /// The value that `member` is to find; nil if the access is denied.
  private func value(_ member: Member, _ region: Region, _ page: UInt64) -> UInt64? {
    let index = Int(page)
    switch region {
    case .anonymous: return member.anonymous[index]
    case .privateFile:
      return member.copies[index] ?? (index < fileValues.count ? fileValues[index] : nil)
    case .sharedFile: return index < fileValues.count ? fileValues[index] : nil
    case .memory: return memoryValues[index]
    }
  }

  private func set(_ value: UInt64, _ member: Member, _ region: Region, _ page: UInt64) {
    switch region {
    case .anonymous: member.anonymous[Int(page)] = value
    case .privateFile: member.copies[Int(page)] = value
    case .sharedFile: fileValues[Int(page)] = value
    case .memory: memoryValues[Int(page)] = value
    }
  }

  private func write() throws {
    let member = anyMember()
    let (region, page) = anyPage()
    let new = newValue()
    let address = region.address(page)
    let answer = try access(member) { try machine.mmu.write(new, at: address) }
    switch answer {
    case nil:
      expect(value(member, region, page) != nil, "\(region) \(page) was written behind the end")
      set(new, member, region, page)
      tally.writes += 1
    case .denied?:
      expect(value(member, region, page) == nil, "writing \(region) \(page) was denied")
    case .failed?: expectFailure()
    case let other?: expect(false, "writing \(region) \(page) was answered \(other)")
    }
  }

  private func read() throws {
    let member = anyMember()
    let (region, page) = anyPage()
    try read(member, region, page)
  }

  private func read(_ member: Member, _ region: Region, _ page: UInt64) throws {
    var found: UInt64?
    let address = region.address(page)
    let answer = try access(member) { found = try machine.mmu.read(UInt64.self, at: address) }
    let expected = value(member, region, page)
    switch answer {
    case nil:
      expect(found == expected, "\(region) \(page) has \(found ?? 0), not \(expected ?? 0)")
      tally.reads += 1
    case .denied?: expect(expected == nil, "reading \(region) \(page) was denied")
    case .failed?: expectFailure()
    case let other?: expect(false, "reading \(region) \(page) was answered \(other)")
    }
  }

  /// Repeats `body` in the space of `member` until it does not fault. Returns the answer that ends
  /// it otherwise.
  private func access(_ member: Member, _ body: () throws -> Void) throws -> FaultResolution? {
    member.space.activate()
    for _ in 0..<100 {
      do {
        try body()
        return nil
      } catch SimulatedPageFault.page(let address, let code) {
        tally.faults += 1
        let fault = TesseraFaults.PageFault(
          at: VirtualAddress(address), errorCode: UInt64(code.rawValue))
        switch member.space.resolve(fault) {
        case .resolved: continue
        case .busy:
          tally.waits += 1
          finishSome()
        case let answer: return answer
        }
      }
    }
    expect(false, "an access faults again and again")
    return nil
  }

  private func expectFailure() {
    expect(swap.hasFailed || file.hasFailed, "a page failed though no store did")
    tally.failures += 1
  }
}

// What the kernel does.
extension PagerWalk {
  private func reclaim() {
    let result = Pager.reclaim(Int(draw(40)))
    tally.freed += result.freed
  }

  private func fork() throws {
    guard members.count < 4 else { return }
    let parent = anyMember()
    let child = try parent.space.fork()
    members.append(Member(child, anonymous: parent.anonymous, copies: parent.copies))
    tally.forks += 1
  }

  private func destroy() {
    guard members.count > 1 else { return }
    let index = Int(draw(UInt64(members.count)))
    if draw(2) == 0 { VmSpace.deactivate() }
    members.remove(at: index)
  }

  private func synchronize() {
    var result = SynchronizeResult()
    for _ in 0..<20 {
      result = object.synchronize()
      if result.isComplete { break }
      finishAll()
    }
    guard result.isComplete else {
      return expect(file.hasFailed, "a file is not written though its store does not fail")
    }
    for (page, value) in fileValues.enumerated() {
      let stored = file.word(UInt64(page))
      expect(stored == value, "the store has \(stored) of page \(page), not \(value)")
    }
    tally.synchronized += 1
  }

  /// Makes the file longer or shorter. The store forgets what it need not keep.
  private func resize() throws {
    let count = Int(draw(25))
    let old = fileValues.count
    // A page that is being written or read may still get to the store.
    finishAll()
    try object.resize(to: UInt64(count) * 4096)
    finishAll()
    if count < old {
      for page in count..<24 { file.setPage(UInt64(page), to: 0) }
      fileValues.removeLast(old - count)
    } else {
      for _ in old..<count { fileValues.append(0) }
    }
    // Copies of pages that never were the space's own are gone with them.
    tally.resizes += 1
  }

  /// Has some anonymous pages begin again as zeros, with or without unmapping them first.
  private func replaceAnonymous() throws {
    let member = anyMember()
    let first = draw(48)
    let count = 1 + draw(min(8, 48 - first))
    let range = bytes(Region.anonymous.address(first), count * 4096)
    try member.space.withCursor(over: range) { cursor throws(TesseraError) in
      try cursor.unmap(count * 4096)
      try cursor.jump(to: range.lowerBound)
      try cursor.setDemandZero(count * 4096, as: .userReadWrite)
    }
    for page in first..<first + count { member.anonymous[Int(page)] = 0 }
  }

  /// Reads or writes a word of the file as the kernel does.
  private func useByKernel() throws {
    guard !fileValues.isEmpty else { return }
    let page = Int(draw(UInt64(fileValues.count)))
    var word = newValue()
    let isWrite = draw(2) == 0
    for _ in 0..<100 {
      let end = withUnsafeMutableBytes(of: &word) { buffer in
        if isWrite {
          let span = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(buffer))
          return object.write(span, at: UInt64(page) * 4096)
        }
        var span = unsafe MutableRawSpan(_unsafeBytes: buffer)
        return object.read(into: &span, at: UInt64(page) * 4096)
      }
      if end.count == 8 {
        if isWrite { fileValues[page] = word }
        expect(fileValues[page] == word, "the kernel reads \(word) of page \(page)")
        return
      }
      if end.end == .failed { return expectFailure() }
      expect(end.end == .busy, "the kernel's access was answered \(end.end)")
      finishSome()
    }
  }

  /// Has a store fail for a while.
  private func fail() {
    let store = draw(2) == 0 ? swap : file
    if draw(2) == 0 {
      store.failNext(reads: Int(draw(3)), writes: Int(draw(4)))
    }
  }

  private func finishSome() {
    swap.finish { draw(3) > 0 }
    file.finish { draw(3) > 0 }
  }

  private func finishAll() {
    swap.finishAll()
    file.finishAll()
  }
}

// Comparing everything.
extension PagerWalk {
  private func compareAll() throws {
    for member in members {
      for region in Region.allCases {
        for page in 0..<region.pageCount where !hasFailed { try read(member, region, page) }
      }
      expect(member.space.problems == [], "\(member.space.problems)")
    }
    expect(machine.violations == [], "\(machine.violations)")
  }

  /// Destroys everything, and checks that no frame and no slot is lost.
  func finish() throws {
    swap.failNext(reads: 0, writes: 0)
    file.failNext(reads: 0, writes: 0)
    if !hasFailed {
      try compareAll()
      synchronize()
    }
    VmSpace.deactivate()
    members = []
    finishAll()
  }

  /// The number of slots of the swap store that the memory, which is still there, has.
  var memorySlotCount: UInt32 { UInt32(memory.usage().swapped) }
}
