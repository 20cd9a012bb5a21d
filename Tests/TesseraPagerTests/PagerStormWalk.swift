import Foundation
import Scenarios
import SimulatedMachine
import Tessera
import TesseraHardware

@testable import TesseraSpaces

/// What one processor of a storm does, and what it knows of its pages.
final class PagerStormWalk: @unchecked Sendable {
  typealias Region = PagerStorm.Region

  /// What the processor's pages of a space have.
  struct Own {
    var anonymous = [UInt64](repeating: 0, count: 8)
    /// Nil for what the file has.
    var copies = [UInt64?](repeating: nil, count: 4)
  }

  private(set) var notes = PagerStormNotes()
  private let number: Int
  private let storm: PagerStorm
  private var random: SplitMix
  private let scratch: MemoryObject
  private var own = Own()
  private var fileValues: [UInt64]
  private var memoryValues = [UInt64](repeating: 0, count: 4)
  /// As many as the object is long.
  private var scratchValues = [UInt64](repeating: 0, count: 8)
  /// The last values that were read in pages of others, by their address.
  private var glances: [UInt64: UInt64] = [:]
  private var valueCount: UInt64 = 0

  init(_ number: Int, of storm: PagerStorm, _ random: SplitMix) throws {
    self.number = number
    self.storm = storm
    self.random = random
    fileValues = Array(repeating: PagerStorm.value(by: number, 0), count: 4)
    scratch = try MemoryObject(byteCount: 8 * 4096)
    let range = Region.scratch.range(0, 8, of: number)
    try storm.common.map(scratch, at: range, as: PagerStorm.shared)
  }

  /// Does `count` steps, and leaves the processor on the kernel's root.
  func run(_ count: Int) {
    storm.common.activate()
    for _ in 0..<count where notes.problems.isEmpty {
      do { try step() } catch { makeRoom() }
    }
    VmSpace.deactivate()
  }

  /// Reads all pages of the processor, and compares the store with them.
  func finish() {
    storm.common.activate()
    checkAll(in: storm.common, own)
    synchronize()
    VmSpace.deactivate()
  }

  private func step() throws {
    switch random.below(100) {
    case ..<30: writeSome(in: storm.common, &own)
    case ..<50: readSome(in: storm.common, own)
    case ..<60: glance()
    case ..<68: notes.count(.freed, Pager.reclaim(1 + random.below(24)).freed)
    case ..<74: try fork(storm.common, own, depth: 1)
    case ..<79: synchronize()
    case ..<84: try resize()
    case ..<88: try replace()
    case ..<92: try move()
    case ..<95: try attach()
    case ..<98: readLibrary()
    default: storm.finishSome()
    }
  }

  /// Has some frames be free again, after there were none.
  private func makeRoom() {
    Pager.reclaim(16)
    storm.finishSome()
  }

  private func newValue() -> UInt64 {
    valueCount += 1
    return PagerStorm.value(by: number, valueCount)
  }
}

// Accesses of a program.
extension PagerStormWalk {
  /// The memory that an access to the page at `address` in `space`, on which the processor runs,
  /// reaches; nil if it is denied. Until the processor is in the kernel again, it stays reachable.
  private func use(
    _ address: UInt64, isWrite: Bool, in space: borrowing VmSpace
  ) -> UnsafeMutableRawPointer? {
    for _ in 0..<20_000 {
      if let found = storm.mmu.use(address, isWrite: isWrite, on: number) {
        return unsafe PhysicalMemory.pointer(to: PhysicalAddress(found))
      }
      notes.count(.fault)
      switch space.resolve(isWrite ? .write : .read, at: VirtualAddress(address)) {
      case .resolved: break
      case .denied: return nil
      case .busy:
        notes.count(.wait)
        storm.finishSome()
      case .outOfFrames: makeRoom()
      // Once for each time that a store has failed; later the page can be read.
      case .failed: notes.count(.failure)
      case let answer:
        note("a fault at \(String(address, radix: 16)) was answered \(answer)")
        return nil
      }
    }
    note("the page at \(String(address, radix: 16)) faults for ever")
    return nil
  }

  /// Writes the first and the last word of the page. Returns false if that is denied.
  private func write(_ value: UInt64, at address: UInt64, in space: borrowing VmSpace) -> Bool {
    guard let page = unsafe use(address, isWrite: true, in: space) else { return false }
    unsafe PhysicalMemory.storeWord(value, to: page)
    unsafe PhysicalMemory.storeWord(value, to: page + 4088)
    return true
  }

  /// The first and the last word of the page; nil if reading it is denied.
  private func read(
    at address: UInt64, in space: borrowing VmSpace
  ) -> (first: UInt64, last: UInt64)? {
    guard let page = unsafe use(address, isWrite: false, in: space) else { return nil }
    let first = unsafe PhysicalMemory.loadWord(from: page)
    return unsafe (first, PhysicalMemory.loadWord(from: page + 4088))
  }

  private func note(_ problem: String) { notes.note("processor \(number): \(problem)") }
}

// Pages of the processor's.
extension PagerStormWalk {
  /// What page `page` of `region` has in a space with `own` pages; nil if it is not there.
  private func value(_ region: Region, _ page: Int, _ own: Own) -> UInt64? {
    switch region {
    case .anonymous: own.anonymous[page]
    case .spare: nil
    case .privateFile:
      own.copies[page] ?? PagerStorm.libraryValue(UInt64(number * 4 + page))
    case .sharedFile: fileValues[page]
    case .memory: memoryValues[page]
    case .scratch: page < scratchValues.count ? scratchValues[page] : nil
    }
  }

  private func set(_ value: UInt64, _ region: Region, _ page: Int, _ own: inout Own) {
    switch region {
    case .anonymous: own.anonymous[page] = value
    case .spare: break
    case .privateFile: own.copies[page] = value
    case .sharedFile: fileValues[page] = value
    case .memory: memoryValues[page] = value
    case .scratch: scratchValues[page] = value
    }
  }

  private func somePage() -> (region: Region, page: Int) {
    let region = Region.allCases[random.below(Region.allCases.count)]
    return (region, random.below(region.pageCount))
  }

  private func writeSome(in space: borrowing VmSpace, _ own: inout Own) {
    for _ in 0..<4 {
      let (region, page) = somePage()
      let new = newValue()
      let isDone = write(new, at: region.address(page, of: number), in: space)
      let isThere = value(region, page, own) != nil
      if isDone != isThere {
        note("writing page \(page) of \(region) was \(isDone ? "allowed" : "denied")")
      }
      if isDone && isThere { set(new, region, page, &own) }
      notes.count(.write)
    }
  }

  private func readSome(in space: borrowing VmSpace, _ own: Own) {
    for _ in 0..<4 {
      let (region, page) = somePage()
      check(region, page, in: space, own)
    }
  }

  private func check(
    _ region: Region, _ page: Int, in space: borrowing VmSpace, _ own: Own
  ) {
    let expected = value(region, page, own)
    let found = read(at: region.address(page, of: number), in: space)
    notes.count(.read)
    if found?.first != expected || found?.last != expected {
      note("page \(page) of \(region) has \(String(describing: found)), not \(expected ?? 0)")
    }
  }

  private func checkAll(in space: borrowing VmSpace, _ own: Own) {
    for region in Region.allCases {
      for page in 0..<region.pageCount { check(region, page, in: space, own) }
    }
  }

  /// Reads pages that others write.
  private func glance() {
    let other = random.below(storm.processorCount)
    for region in [Region.sharedFile, .memory, .scratch] {
      let address = region.address(random.below(region.pageCount), of: other)
      guard let found = read(at: address, in: storm.common)?.first else {
        if region != .scratch { note("a page of \(region) is denied") }
        continue
      }
      notes.count(.glance)
      let isKnown = found == 0 ? region != .sharedFile : found >> 32 == UInt64(other + 1)
      // What is taken out of an object that gets shorter begins anew as zeros.
      let isOlder = region != .scratch && found < glances[address, default: 0]
      if !isKnown || isOlder {
        note(
          "a page of processor \(other) of \(region) has \(found) after \(glances[address] ?? 0)")
      }
      glances[address] = found
    }
  }
}

// Calls of the kernel.
extension PagerStormWalk {
  /// Forks `parent`, in which the processor's pages are `before`, writes in both, and compares.
  private func fork(_ parent: borrowing VmSpace, _ before: Own, depth: Int) throws {
    let child = try parent.fork()
    notes.count(.fork)
    var own = before
    child.activate()
    checkAll(in: child, own)
    writeSome(in: child, &own)
    if random.oneIn(3) { notes.count(.freed, Pager.reclaim(1 + random.below(24)).freed) }
    if depth < 2, random.oneIn(3) {
      do { try fork(child, own, depth: depth + 1) } catch { makeRoom() }
      child.activate()
    }
    checkAll(in: child, own)
    parent.activate()
    readSome(in: parent, before)
  }

  /// Writes the file to its store, which then has what the processor wrote.
  ///
  /// It is not written while another processor has one of its pages locked, whose thread may not be
  /// running: more threads than processors of this computer, and other work beside.
  private func synchronize() {
    let deadline = ContinuousClock.now + .seconds(120)
    while ContinuousClock.now < deadline {
      if storm.file.synchronize().isComplete {
        for (page, value) in fileValues.enumerated() {
          let stored = storm.fileStore.word(UInt64(number * 4 + page))
          if stored != value { note("the store has \(stored) of page \(page), not \(value)") }
        }
        notes.count(.synchronized)
        return
      }
      storm.finishSome()
      sched_yield()
    }
    note("the file is not written in two minutes")
  }

  /// Reads two words as the kernel does, the last of a page of the library and the first of the
  /// next. Programs write neither.
  private func readLibrary() {
    let page = random.below(storm.processorCount * 4 - 1)
    var words: (UInt64, UInt64) = (0, 0)
    for _ in 0..<20_000 {
      let end = unsafe withUnsafeMutableBytes(of: &words) { buffer in
        var span = unsafe MutableRawSpan(_unsafeBytes: buffer)
        return storm.library.read(into: &span, at: UInt64(page + 1) * 4096 - 8)
      }
      switch end.end {
      case .busy: storm.finishSome()
      case .outOfFrames: makeRoom()
      case .failed: notes.count(.failure)
      default:
        let expected = (
          PagerStorm.libraryValue(UInt64(page)), PagerStorm.libraryValue(UInt64(page + 1))
        )
        if words != expected { note("the kernel reads \(words) of the library, not \(expected)") }
        return notes.count(.kernelRead)
      }
    }
    note("the library cannot be read by the kernel")
  }

  /// Makes the object that is the processor's longer or shorter.
  private func resize() throws {
    let count = random.below(9)
    try scratch.resize(to: UInt64(count) * 4096)
    let old = scratchValues.count
    if count < old {
      scratchValues.removeLast(old - count)
    } else {
      scratchValues += Array(repeating: 0, count: count - old)
    }
    notes.count(.resize)
  }

  /// Has some anonymous pages begin again as zeros.
  private func replace() throws {
    let first = random.below(8)
    let count = 1 + random.below(8 - first)
    let range = Region.anonymous.range(first, count, of: number)
    try storm.common.withCursor(over: range) { cursor throws(TesseraError) in
      try cursor.unmap(UInt64(count) * 4096)
      try cursor.jump(to: range.lowerBound)
      try cursor.setDemandZero(UInt64(count) * 4096, as: .userReadWrite)
    }
    for page in first..<first + count { own.anonymous[page] = 0 }
    notes.count(.replacement)
  }

  /// Moves some anonymous pages away, uses them there, and moves them to where they were.
  private func move() throws {
    let first = random.below(8)
    let count = 1 + random.below(8 - first)
    let home = Region.anonymous.range(first, count, of: number)
    let away = Region.spare.range(first, count, of: number)
    try storm.common.move(home, to: away.lowerBound)
    let page = first + random.below(count)
    let address = Region.spare.address(page, of: number)
    if let found = read(at: address, in: storm.common)?.first, found != own.anonymous[page] {
      note("page \(page) has \(found) after it was moved, not \(own.anonymous[page])")
    }
    let new = newValue()
    if write(new, at: address, in: storm.common) { own.anonymous[page] = new }
    if random.oneIn(3) { notes.count(.freed, Pager.reclaim(1 + random.below(24)).freed) }
    for _ in 0..<1000 {
      do {
        try storm.common.move(away, to: home.lowerBound)
        notes.count(.move)
        return
      } catch { makeRoom() }
    }
    note("pages were not moved to where they were")
  }

  /// Maps the shared memory in a new space, at other addresses, and uses it there.
  private func attach() throws {
    let space = try VmSpace()
    try space.startPaging()
    let all = storm.processorCount * 4
    let first = random.below(number * 4 + 1)
    let range = Region.anonymous.range(0, all - first, of: 0)
    try space.map(storm.memory, from: UInt64(first), at: range, as: PagerStorm.shared)
    space.activate()
    for page in 0..<4 {
      let address = range.lowerBound.rawValue + UInt64(number * 4 + page - first) * 4096
      if let found = read(at: address, in: space), found.last != memoryValues[page] {
        note("page \(page) of memory has \(found), not \(memoryValues[page])")
      }
      let new = newValue()
      if random.oneIn(2), write(new, at: address, in: space) { memoryValues[page] = new }
    }
    notes.count(.attachment)
    storm.common.activate()
  }
}
