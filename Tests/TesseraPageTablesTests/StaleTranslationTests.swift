import SimulatedMachine
import Tessera
import TesseraPageTables
import TestSupport
import Testing

/// A change of a run of mapped pages that a TLB must notice.
enum FlushedChange: CaseIterable {
  case unmap, removeWriting, forbidExecution, removeAccess
  case clearAccessed, clearDirty, clearBoth
  case changeRights, changeCachePolicy
  case replaceEach, fork, forkEach

  /// The property of the pages before the change: it has everything that a change can remove.
  static let property = PageProperty(.readWriteExecute, isUser: true)
    .with(isAccessed: true, isDirty: true)
  /// The same of pages that the processor may make dirty at any time.
  static let cleanProperty = property.with(isAccessed: true, isDirty: false)

  /// Whether frames are freed, which a cursor does before its end if there are too many of them.
  var freesFrames: Bool { self == .unmap || self == .replaceEach }

  /// Whether the change is one of pages that own their frames.
  var isOfFrames: Bool { self == .replaceEach || self == .fork || self == .forkEach }

  /// Whether pages that are not dirty are changed too.
  var isOfCleanPages: Bool { self != .clearDirty }

  /// Changes `count` pages of `size` from the position of `cursor`. `other` is a cursor over as
  /// many absent pages of another space, `frame` one of that size.
  func perform(
    _ count: Int, _ size: PageSize, _ cursor: inout Cursor, _ other: inout Cursor,
    _ frame: borrowing Frame<PlainMemory>
  ) throws {
    let byteCount = UInt64(count) * size.byteCount
    switch self {
    case .unmap: try cursor.unmap(byteCount)
    case .removeWriting: try cursor.protect(byteCount, to: .readExecute)
    case .forbidExecution: try cursor.protect(byteCount, to: .readWrite)
    case .removeAccess: try cursor.protect(byteCount, to: .none)
    case .clearAccessed: cursor.clearAccessed(byteCount)
    case .clearDirty: cursor.clearDirty(byteCount)
    case .clearBoth: cursor.clearAccessedAndDirty(byteCount)
    case .changeRights: try cursor.change(byteCount, by: PageChange(removing: .execute))
    case .changeCachePolicy:
      try cursor.change(byteCount, by: PageChange(cachePolicy: .writeThrough))
    case .fork: try other.copy(from: &cursor, byteCount)
    case .forkEach: for _ in 0..<count { try other.copy(from: &cursor, size.byteCount) }
    case .replaceEach:
      for _ in 0..<count {
        var next: Frame<PlainMemory>? = frame.share()
        try cursor.replace(with: &next, as: Self.property)
      }
    }
  }
}

extension OnSimulatedMachine {
  /// Every change of pages of every size, in runs of the lengths at which a flush takes another
  /// way, leaves no stale translation in the worst TLB that the architecture allows.
  @Suite("Stale translations") struct StaleTranslationTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 4096)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    /// Maps `count` pages of `size` at `start` in `space`: each to `frame`, or to a device.
    private func mapRun(
      _ count: Int, _ size: PageSize, at start: UInt64, _ frame: borrowing Frame<PlainMemory>,
      ofDevice isDevice: Bool, as property: PageProperty = FlushedChange.property,
      in space: borrowing VmSpace
    ) throws {
      let byteCount = UInt64(count) * size.byteCount
      var cursor = try space.cursor(over: bytes(start, byteCount))
      if isDevice {
        // Congruent with the pages, so that they have this size and no larger one.
        return try unsafe cursor.mapDevice(
          PhysicalAddress(0x40_0000_0000 + size.byteCount), byteCount: byteCount, as: property)
      }
      for _ in 0..<count {
        var next: Frame<PlainMemory>? = frame.share()
        try cursor.map(&next, as: property)
      }
    }

    /// Makes `change` to a run in the middle of a space that is active. With neighbours, the tables
    /// stay, and the flush is exactly of the pages.
    private func expectNothingStale(
      after change: FlushedChange, _ count: Int, _ size: PageSize, fromEntry first: UInt64,
      hasNeighbours: Bool, isDevice: Bool, isDirty: Bool = true,
      _ frame: borrowing Frame<PlainMemory>
    ) throws {
      let space = try VmSpace()
      let other = try VmSpace()
      let start = (1 << 39) + (first &<< size.shift)
      let byteCount = UInt64(count) * size.byteCount
      try mapRun(
        count, size, at: start, frame, ofDevice: isDevice,
        as: isDirty ? FlushedChange.property : FlushedChange.cleanProperty, in: space)
      if hasNeighbours {
        for place in [start - size.byteCount, start + byteCount] {
          var cursor = try space.cursor(over: bytes(place, size.byteCount))
          try unsafe cursor.mapDevice(
            PhysicalAddress(0x60_0000_0000), byteCount: size.byteCount, as: .userRead)
        }
      }
      space.activate()
      let before = (FlushStatistics.pageCount, FlushStatistics.fullFlushCount)
      do {
        let range = hasNeighbours ? bytes(1 << 39, 1 << 39) : bytes(start, byteCount)
        var cursor = try space.cursor(over: range)
        try cursor.jump(to: VirtualAddress(start))
        var target = try other.cursor(over: bytes(start, byteCount))
        try change.perform(count, size, &cursor, &target, frame)
        #expect(cursor.address == VirtualAddress(start + byteCount))
      }
      let description: Comment =
        "\(change), \(count) of \(size) from \(first), \(hasNeighbours), \(isDirty)"
      #expect(machine.mmu.incoherences() == [], description)
      if hasNeighbours && (isDevice || !change.freesFrames) {
        let pages = FlushStatistics.pageCount - before.0
        let full = FlushStatistics.fullFlushCount - before.1
        #expect(pages == (count <= 32 ? UInt64(count) : 0), description)
        #expect(full == (count <= 32 ? 0 : 1), description)
      }
      VmSpace.deactivate()
      #expect(machine.mmu.takeViolations() == [], description)
      #expect(space.problems(allowsWriteExecute: true) == [], description)
      #expect(other.problems(allowsWriteExecute: true) == [], description)
    }

    @Test(arguments: FlushedChange.allCases, [PageSize.fourKiB, .twoMiB])
    func `a change of frames leaves nothing stale`(change: FlushedChange, size: PageSize) throws {
      let frame = try Frame(allocating: PlainMemory(), FrameRequest(size: size))
      for count in [1, 2, 3, 31, 32, 33, 65] {
        // In the middle of a table, and across its end after one and after two entries.
        for first in [5, 510, 511] as [UInt64] {
          for isDirty in change.isOfCleanPages ? [false, true] : [true] {
            try expectNothingStale(
              after: change, count, size, fromEntry: first, hasNeighbours: first != 5 || isDirty,
              isDevice: false, isDirty: isDirty, frame)
          }
        }
      }
    }

    @Test(
      arguments: FlushedChange.allCases.filter { !$0.isOfFrames },
      [PageSize.fourKiB, .twoMiB, .oneGiB])
    func `a change of a device leaves nothing stale`(change: FlushedChange, size: PageSize) throws {
      let frame = try Frame(allocating: PlainMemory())
      for count in [1, 2, 3, 32, 33] {
        for hasNeighbours in [false, true] {
          try expectNothingStale(
            after: change, count, size, fromEntry: 300, hasNeighbours: hasNeighbours,
            isDevice: true, frame)
        }
      }
    }

    @Test(arguments: FlushedChange.allCases, [1, 2, 3, 32, 33])
    func `a change of every second page leaves nothing stale`(
      change: FlushedChange, count: Int
    ) throws {
      let space = try VmSpace()
      let other = try VmSpace()
      let frame = try Frame(allocating: PlainMemory())
      let start: UInt64 = 1 << 30 + 500 << 12
      try mapRun(2 * count, .fourKiB, at: start, frame, ofDevice: false, in: space)
      space.activate()
      do {
        var cursor = try space.cursor(over: bytes(start, UInt64(2 * count) << 12))
        var target = try other.cursor(over: bytes(start, UInt64(2 * count) << 12))
        for page in 0..<UInt64(count) {
          try cursor.jump(to: VirtualAddress(start + page << 13))
          try target.jump(to: VirtualAddress(start + page << 13))
          try change.perform(1, .fourKiB, &cursor, &target, frame)
        }
      }
      #expect(machine.mmu.incoherences() == [])
      VmSpace.deactivate()
      #expect(machine.violations == [])
    }

    @Test(arguments: FlushedChange.allCases, [PageSize.twoMiB, .oneGiB])
    func `a change of a part of a large page leaves nothing stale`(
      change: FlushedChange, size: PageSize
    ) throws {
      // A frame of 1 GiB does not fit in this machine.
      if size == .oneGiB && change.isOfFrames { return }
      for count in [1, 2, 3, 32, 33] { try changePart(change, size, count) }
    }

    private func changePart(_ change: FlushedChange, _ size: PageSize, _ count: Int) throws {
      let isDevice = size == .oneGiB
      let space = try VmSpace()
      let other = try VmSpace()
      let large = try Frame(
        allocating: PlainMemory(), FrameRequest(size: isDevice ? .fourKiB : size))
      let small = try Frame(allocating: PlainMemory())
      try mapRun(1, size, at: 1 << 39, large, ofDevice: isDevice, in: space)
      space.activate()
      let start: UInt64 = 1 << 39 + 100 << 12
      do {
        var cursor = try space.cursor(over: bytes(start, UInt64(count) << 12))
        var target = try other.cursor(over: bytes(start, UInt64(count) << 12))
        try change.perform(count, .fourKiB, &cursor, &target, small)
      }
      #expect(machine.mmu.incoherences() == [])
      VmSpace.deactivate()
      #expect(machine.violations == [])
      #expect(space.problems(allowsWriteExecute: true) == [])
    }

    /// The range of the cursor: the large page alone, whose leaf table is then locked and has to
    /// stay, or one that the large page can take the place of the table in.
    @Test(arguments: [bytes(2 << 20, 2 << 20), bytes(0, 6 << 20)])
    func `small pages replaced by a large frame leave nothing stale`(
      range: Range<VirtualAddress>
    ) throws {
      let space = try VmSpace()
      let used = FrameAllocator.statistics.usedFrameCount
      try mapSegment(512, at: 2 << 20, in: space)
      space.activate()
      var large: Frame<PlainMemory>? = try Frame(
        allocating: PlainMemory(), FrameRequest(size: .twoMiB))
      do {
        var cursor = try space.cursor(over: range)
        try cursor.jump(to: VirtualAddress(2 << 20))
        try cursor.replace(with: &large, as: .userReadWrite)
        #expect(cursor.address == VirtualAddress(4 << 20))
      }
      #expect(machine.mmu.incoherences() == [])
      VmSpace.deactivate()
      #expect(machine.violations == [])
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount >= used + 512)
      #expect(
        FrameAllocator.statistics.usedFrameCount <= used + 512 + 3, "the small frames are freed")
    }
  }
}
