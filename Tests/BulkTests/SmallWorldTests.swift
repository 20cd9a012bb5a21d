import Foundation
import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// All sequences of a few operations on two pages, two frames and three page sizes, compared with
  /// a model after every operation.
  @Suite("Exhaustive operation sequences") struct SmallWorldTests {
    /// The length of the sequences, set by `TESSERA_SEQUENCE` in the environment.
    private static var length: Int {
      ProcessInfo.processInfo.environment["TESSERA_SEQUENCE"].flatMap { Int($0) }
        ?? (isOptimized ? 5 : 3)
    }

    @Test func `every sequence of operations matches the model`() throws {
      let machine = SimulatedMachine(frameCount: 512)
      try machine.startKernelSpace()
      let start = ContinuousClock.now
      var count = 0
      let failure = Self.forEachSequence(of: Self.length) { steps, firstNew in
        count += 1
        if count % 4096 == 0 { #expect(machine.violations == []) }
        return SmallWorld.run(steps, comparingFrom: firstNew)
      }
      #expect(failure == nil)
      #expect(failure != nil || count == Self.sequenceCount(Self.length))
      #expect(machine.violations == [])
      print(
        "tally: \(count) sequences of \(Self.length) of \(SmallWorld.Step.all.count) operations, "
          + "\(ContinuousClock.now - start)")
    }

    @Test func `no sequence leaves a stale TLB entry`() throws {
      let machine = SimulatedMachine(frameCount: 512)
      try machine.startKernelSpace()
      _ = machine.mmu
      let length = min(Self.length - 1, 4)
      let start = ContinuousClock.now
      var count = 0
      let failure = Self.forEachSequence(of: length) { steps, firstNew in
        count += 1
        return SmallWorld.run(steps, comparingFrom: firstNew) { root in
          machine.mmu.incoherences(root: root, ignoringAccessed: true).first
            ?? machine.mmu.violations.first
        }
      }
      #expect(failure == nil)
      #expect(failure != nil || count == Self.sequenceCount(length))
      #expect(machine.violations == [])
      print(
        "tally: \(count) sequences of \(length) operations left nothing stale, "
          + "\(ContinuousClock.now - start)")
    }

    private static func sequenceCount(_ length: Int) -> Int {
      Int(pow(Double(SmallWorld.Step.all.count), Double(length)))
    }

    /// Calls `body` with every sequence of `length` operations until one fails. Returns the failure
    /// and its sequence, or nil.
    ///
    /// Sequences are in lexicographic order: each shares a prefix with the previous one, up to the
    /// step `firstNew`. The prefix has already been compared with the model.
    private static func forEachSequence(
      of length: Int, _ body: (_ steps: [SmallWorld.Step], _ firstNew: Int) -> String?
    ) -> String? {
      let letters = SmallWorld.Step.all
      var steps = [SmallWorld.Step](repeating: letters[0], count: length)
      var indices = [Int](repeating: 0, count: length)
      var place = 0
      while true {
        if let failure = body(steps, place) {
          return "\(failure): \(steps.map { "\($0)" }.joined(separator: ", "))"
        }
        place = length - 1
        while place >= 0 && indices[place] == letters.count - 1 {
          indices[place] = 0
          steps[place] = letters[0]
          place -= 1
        }
        guard place >= 0 else { return nil }
        indices[place] += 1
        steps[place] = letters[indices[place]]
      }
    }

    @Test func `a wrong model is detected`() throws {
      let machine = SimulatedMachine(frameCount: 512)
      try machine.startKernelSpace()
      let failure = SmallWorld.run([.map(page: 0, frame: 0), .forget(page: 0)])
      #expect(failure != nil)
      #expect(machine.violations == [])
    }
  }
}

/// A model of two adjacent pages in different leaf tables, two frames, and their mappings.
struct SmallWorld {
  /// The pages: the last of one leaf table, and the first of the next.
  private static let pages: [UInt64] = [1 << 30 + 2 << 20 - 4096, 1 << 30 + 2 << 20]
  private static let oneGiB = bytes(1 << 30, 1 << 30)
  private static let device: UInt64 = 0x40_0000_0000

  enum Step {
    case map(page: Int, frame: Int)
    /// Maps 4 KiB, 2 MiB or 1 GiB of a device over a page.
    case device(page: Int, PageSize)
    case unmap(page: Int)
    case unmapBoth
    case unmapAll
    case protect(page: Int, PageAccess)
    case protectBoth
    case replace(page: Int, frame: Int)
    case setStatus(page: Int)
    case copy
    /// Changes only the model, to test that this is detected.
    case forget(page: Int)

    static let all: [Step] = [
      .map(page: 0, frame: 0), .map(page: 1, frame: 0), .map(page: 1, frame: 1),
      .device(page: 0, .fourKiB), .device(page: 1, .twoMiB), .device(page: 0, .oneGiB),
      .unmap(page: 0), .unmap(page: 1), .unmapBoth, .unmapAll,
      .protect(page: 0, .read), .protect(page: 1, .none), .protectBoth,
      .replace(page: 0, frame: 1), .replace(page: 1, frame: 0), .setStatus(page: 0), .copy,
    ]
  }

  /// The content of one page.
  enum Page: Equatable {
    case absent
    case status
    case memory(UInt64, PageAccess)

    var isMapped: Bool { self != .absent && self != .status }

    func with(_ access: PageAccess) -> Page {
      if case .memory(let address, _) = self { return .memory(address, access) }
      return self
    }
  }

  /// The contents of the two pages, and of one page each of the rest of their 2 MiB and of the GiB.
  private var model = [Page](repeating: .absent, count: 5)
  private var copied: [Page]?
  /// Whether the frame of each page has been shared by a fork. The handles to the frames stay, so
  /// that such a page never becomes writable again.
  private var isForked = [Bool](repeating: false, count: 5)

  /// The two pages, one page each that shares 2 MiB with them, and the last page of the GiB.
  private static let probes: [UInt64] = [
    pages[0], pages[1], 1 << 30, pages[1] + 4096, 2 << 30 - 4096,
  ]
}

extension SmallWorld {
  /// Runs `steps` in a new space. Returns the first difference from the model after step `firstNew`
  /// or later, or the failure that `check` returns for the root; nil if there is none.
  static func run(
    _ steps: [Step], comparingFrom firstNew: Int = 0, check: (UInt64) -> String? = { _ in nil }
  ) -> String? {
    do {
      let space = try VmSpace()
      let copy = try VmSpace()
      let frames = try Segment(allocating: 2, .uninitialized) { _ in PlainMemory() }
      space.activate()
      defer { VmSpace.deactivate() }
      var world = SmallWorld()
      for (index, step) in steps.enumerated() {
        if let failure = try world.perform(step, space, copy, frames) { return failure }
        if index < firstNew { continue }
        if let failure = world.compare(space, copy, frames) { return failure }
        if let failure = check(space.rootAddress.rawValue) { return failure }
      }
      return space.problems.first ?? copy.problems.first
    } catch { return "out of memory" }
  }

  private func compare(
    _ space: borrowing VmSpace, _ copy: borrowing VmSpace, _ frames: borrowing Segment<PlainMemory>
  ) -> String? {
    for (page, probe) in zip(model, Self.probes) where Self.content(space, probe) != page {
      return "\(String(probe, radix: 16)) contains \(Self.content(space, probe)), not \(page)"
    }
    for (page, probe) in zip(copied ?? [], Self.probes) where Self.content(copy, probe) != page {
      return "the copy contains \(Self.content(copy, probe)), not \(page)"
    }
    for index in 0..<2 {
      let address = frames.borrowFrame(at: index).address
      let owned = (model + (copied ?? [])).filter { page in
        if case .memory(let memory, _) = page { return memory == address.rawValue }
        return false
      }
      let count = FrameTable.slot(number: address.frameNumber).count
      if count != UInt64(owned.count + 1) { return "frame \(index) has \(count) owners" }
    }
    return nil
  }

  /// Returns the content of the page at `address` of `space`.
  private static func content(_ space: borrowing VmSpace, _ address: UInt64) -> Page {
    guard let cursor = try? space.cursor(overMapped: bytes(address, 4096)),
      let run = try? cursor.query()
    else { return .absent }
    switch run.content {
    case .absent, .demandZero, .pending, .swapped, .object: return .absent
    case .status: return .status
    case .mapped(let memory, let property, _):
      let place = memory.rawValue + (address - run.start.rawValue)
      return .memory(place, property.access)
    }
  }
}

extension SmallWorld {
  /// Performs `step` in the model and in `space`. Returns the difference of the results, or nil.
  private mutating func perform(
    _ step: Step, _ space: borrowing VmSpace, _ copy: borrowing VmSpace,
    _ frames: borrowing Segment<PlainMemory>
  ) throws -> String? {
    if case .copy = step { return try perform(copyTo: copy, from: space) }
    if case .forget(let page) = step {
      model[page] = .absent
      return nil
    }
    var cursor = try space.cursor(over: Self.oneGiB)
    let expected = expectedError(of: step)
    do throws(TesseraError) {
      try Self.perform(step, &cursor, frames)
      note(step, frames)
      return expected == nil ? nil : "\(step) should fail with \(expected!)"
    } catch {
      return error == expected ? nil : "\(step) failed with \(error)"
    }
  }

  private static func perform(
    _ step: Step, _ cursor: inout Cursor, _ frames: borrowing Segment<PlainMemory>
  ) throws(TesseraError) {
    switch step {
    case .map(let page, let index):
      var frame = Self.share(frames, index)
      cursor.go(to: pages[page])
      try cursor.map(&frame, as: .userReadWrite)
    case .device(let page, let size):
      let start = pages[page] & ~(size.byteCount - 1)
      cursor.go(to: start)
      try unsafe cursor.mapDevice(
        PhysicalAddress(device + start), byteCount: size.byteCount, as: .userReadWrite)
    case .unmap(let page):
      cursor.go(to: pages[page])
      try cursor.unmap(4096)
    case .unmapBoth:
      cursor.go(to: pages[0])
      try cursor.unmap(8192)
    case .unmapAll:
      try cursor.unmap(1 << 30)
    case .protect(let page, let access):
      cursor.go(to: pages[page])
      try cursor.protect(4096, to: access)
    case .protectBoth:
      cursor.go(to: pages[0])
      try cursor.protect(8192, to: .readWrite)
    case .replace(let page, let index):
      var frame = Self.share(frames, index)
      cursor.go(to: pages[page])
      try cursor.replace(with: &frame, as: .userReadWrite)
    case .setStatus(let page):
      cursor.go(to: pages[page])
      try cursor.setStatus(4096, to: 7)
    case .copy, .forget: break
    }
  }

  private static func share(
    _ frames: borrowing Segment<PlainMemory>, _ index: Int
  ) -> Frame<PlainMemory>? {
    var slice = frames.slice(UInt64(index) * 4096..<UInt64(index + 1) * 4096)
    return slice.next()
  }

  private mutating func perform(
    copyTo copy: borrowing VmSpace, from space: borrowing VmSpace
  ) throws -> String? {
    var source = try space.cursor(over: Self.oneGiB)
    var target = try copy.cursor(over: Self.oneGiB)
    do throws(TesseraError) {
      try target.copy(from: &source, 1 << 30)
      let isEmpty = !(copied ?? []).contains { $0 != .absent }
      for index in model.indices {
        guard case .memory(let address, .readWrite) = model[index], address < Self.device else {
          continue
        }
        model[index] = .memory(address, .read)
      }
      for index in model.indices {
        if case .memory(let address, _) = model[index], address < Self.device {
          isForked[index] = true
        }
      }
      copied = model
      return isEmpty ? nil : "a copy over existing mappings should fail"
    } catch {
      let isFull = (copied ?? []).contains { $0 != .absent }
      return isFull ? nil : "the copy failed with \(error)"
    }
  }
}

extension SmallWorld {
  /// The indices of the probes in a page of `size` over `page`.
  private static func probed(by page: Int, _ size: PageSize) -> [Int] {
    let start = pages[page] & ~(size.byteCount - 1)
    return probes.indices.filter { probes[$0] >= start && probes[$0] < start + size.byteCount }
  }

  private func expectedError(of step: Step) -> TesseraError? {
    switch step {
    case .map(let page, _), .setStatus(let page):
      return model[page].isMapped ? .alreadyMapped(VirtualAddress(Self.pages[page])) : nil
    case .replace(let page, _):
      return model[page].isMapped ? nil : .notMapped(VirtualAddress(Self.pages[page]))
    case .device(let page, let size):
      let places = Self.probed(by: page, size).map { ($0, Self.probes[$0]) }
      let first = places.filter { model[$0.0].isMapped }.map(\.1).min()
      return first.map { .alreadyMapped(VirtualAddress($0)) }
    default: return nil
    }
  }

  /// Performs `step`, which succeeds, in the model.
  private mutating func note(_ step: Step, _ frames: borrowing Segment<PlainMemory>) {
    switch step {
    case .map(let page, let index), .replace(let page, let index):
      model[page] = .memory(frames.borrowFrame(at: index).address.rawValue, .readWrite)
      isForked[page] = false
    case .device(let page, let size):
      for index in Self.probed(by: page, size) {
        model[index] = .memory(Self.device + Self.probes[index], .readWrite)
        isForked[index] = false
      }
    case .unmap(let page): model[page] = .absent
    case .unmapBoth: for page in 0..<2 { model[page] = .absent }
    case .unmapAll: for index in model.indices { model[index] = .absent }
    case .protect(let page, let access): model[page] = model[page].with(access)
    case .protectBoth:
      for page in 0..<2 { model[page] = model[page].with(isForked[page] ? .read : .readWrite) }
    case .setStatus(let page): model[page] = .status
    case .copy, .forget: break
    }
  }
}

extension Cursor {
  /// Moves to `address`, which must be in the range.
  fileprivate mutating func go(to address: UInt64) {
    do throws(TesseraError) { try jump(to: VirtualAddress(address)) } catch {
      Issue.record("a jump within the range failed")
    }
  }
}
