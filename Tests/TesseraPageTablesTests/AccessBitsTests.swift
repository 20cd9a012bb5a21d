import SimulatedMachine
import Tessera
import TestSupport
import Testing

extension OnSimulatedMachine {
  @Suite("Accessed and dirty bits") struct AccessBitsTests {
    let machine: SimulatedMachine
    private static let used = PageProperty.userReadWrite.with(isAccessed: true, isDirty: true)

    init() throws {
      machine = SimulatedMachine(frameCount: 2048)
      try machine.startKernelSpace()
    }

    private func pages(_ first: UInt64, _ count: UInt64) -> Range<VirtualAddress> {
      VirtualAddress(first << 12)..<VirtualAddress((first + count) << 12)
    }

    private func property(_ page: UInt64, in space: borrowing VmSpace) -> PageProperty? {
      space.translate(VirtualAddress(page << 12))?.property
    }

    /// Maps `count` accessed and dirty pages, starting with page `first`.
    private func mapUsed(_ first: UInt64, _ count: UInt64, in space: borrowing VmSpace) throws {
      var segment: Segment<PlainMemory>? = try Segment(allocating: Int(count)) { _ in
        PlainMemory()
      }
      var cursor = try space.cursor(over: pages(first, count))
      try cursor.map(&segment, as: Self.used)
    }

    @Test func `each bit is cleared separately, in the range only`() throws {
      let space = try VmSpace()
      try mapUsed(510, 6, in: space)
      do {
        var cursor = try space.cursor(over: pages(510, 6))
        try cursor.jump(to: VirtualAddress(511 << 12))
        #expect(cursor.clearAccessed(3 << 12) == 3 << 12)
        #expect(cursor.address == VirtualAddress(514 << 12))
        try cursor.jump(to: VirtualAddress(513 << 12))
        #expect(cursor.clearDirty(2 << 12) == 2 << 12)
      }
      let properties = (510..<516 as Range<UInt64>).map { property($0, in: space) }
      #expect(properties.map { $0?.isAccessed } == [true, false, false, false, true, true])
      #expect(properties.map { $0?.isDirty } == [true, true, true, false, false, true])
      #expect(properties.allSatisfy { $0?.access == .readWrite })
      #expect(machine.violations == [])
    }

    @Test func `only pages whose bit was set are invalidated`() throws {
      let space = try VmSpace()
      try mapUsed(16, 4, in: space)
      space.activate()
      let before = FlushStatistics.pageCount
      do {
        var cursor = try space.cursor(over: pages(16, 4))
        #expect(cursor.clearAccessed(4 << 12) == 4 << 12)
      }
      #expect(FlushStatistics.pageCount == before + 4)
      do {
        var cursor = try space.cursor(over: pages(16, 4))
        #expect(cursor.clearAccessed(4 << 12) == 0)
      }
      #expect(FlushStatistics.pageCount == before + 4)
      VmSpace.deactivate()
    }

    @Test func `pages without access are cleared too, absent pages and statuses unchanged`() throws
    {
      let space = try VmSpace()
      try mapUsed(16, 2, in: space)
      let address = space.translate(VirtualAddress(16 << 12))?.address
      do {
        var cursor = try space.cursor(over: pages(16, 1024))
        try cursor.protect(1 << 12, to: .none)
        try cursor.jump(to: VirtualAddress(20 << 12))
        try cursor.setStatus(1 << 12, to: 5)
        try cursor.jump(to: VirtualAddress(16 << 12))
        #expect(cursor.clearAccessed(1024 << 12) == 2 << 12)
        let isAtEnd = cursor.isAtEnd
        #expect(isAtEnd)
        try cursor.jump(to: VirtualAddress(20 << 12))
        #expect(try cursor.query().content == .status(5))
        try cursor.jump(to: VirtualAddress(16 << 12))
        try cursor.protect(1 << 12, to: .read)
      }
      #expect(space.translate(VirtualAddress(16 << 12))?.address == address)
      #expect(machine.violations == [])
    }

    /// Which bits to clear.
    enum Bits: CaseIterable {
      case accessed, dirty, both

      /// Clears them in `range`. Returns the number of pages that had one.
      func clear(_ range: Range<VirtualAddress>, _ cursor: inout Cursor) throws -> UInt64 {
        try cursor.jump(to: range.lowerBound)
        let byteCount = range.upperBound.rawValue - range.lowerBound.rawValue
        switch self {
        case .accessed: return cursor.clearAccessed(byteCount) >> 12
        case .dirty: return cursor.clearDirty(byteCount) >> 12
        case .both: return cursor.clearAccessedAndDirty(byteCount) >> 12
        }
      }
    }

    @Test(arguments: Bits.allCases)
    func `a page without access tells its bits once, and is not flushed`(bits: Bits) throws {
      let space = try VmSpace()
      try mapUsed(16, 3, in: space)
      do {
        var cursor = try space.cursor(over: pages(16, 3))
        try cursor.protect(3 << 12, to: .none)
      }
      space.activate()
      let flushed = FlushStatistics.pageCount
      do {
        var cursor = try space.cursor(over: pages(16, 3))
        #expect(try bits.clear(pages(17, 1), &cursor) == 1)
        #expect(try bits.clear(pages(16, 3), &cursor) == 2)
        #expect(try bits.clear(pages(16, 3), &cursor) == 0)
      }
      #expect(FlushStatistics.pageCount == flushed)
      do {
        var cursor = try space.cursor(over: pages(16, 3))
        try cursor.protect(3 << 12, to: .readWrite)
      }
      let found = property(17, in: space)
      #expect(found?.isAccessed == (bits == .dirty))
      #expect(found?.isDirty == (bits == .accessed))
      VmSpace.deactivate()
      #expect(machine.violations == [])
    }

    /// The bits that each page of a run has, by page number modulo 4.
    private static let mixture: [(isAccessed: Bool, isDirty: Bool)] = [
      (true, true), (false, true), (true, false), (false, false),
    ]

    @Test(arguments: Bits.allCases, [false, true])
    func `the bits of a run of unlike pages are told and cleared`(
      bits: Bits, hasAccess: Bool
    ) throws {
      let space = try VmSpace()
      for page in 508..<516 as Range<UInt64> {
        let (isAccessed, isDirty) = Self.mixture[Int(page % 4)]
        try mapFrame(
          at: page << 12, in: space,
          as: .userReadWrite.with(isAccessed: isAccessed, isDirty: isDirty))
      }
      var cursor = try space.cursor(over: pages(500, 24))
      if !hasAccess { try cursor.protect(24 << 12, to: .none) }
      #expect(try bits.clear(pages(500, 24), &cursor) == (bits == .both ? 6 : 4))
      #expect(try bits.clear(pages(500, 24), &cursor) == 0)
      for page in 508..<516 as Range<UInt64> {
        let (isAccessed, isDirty) = Self.mixture[Int(page % 4)]
        try cursor.jump(to: VirtualAddress(page << 12))
        guard case .mapped(_, let left, _) = try cursor.query().content else {
          Issue.record("page \(page) is not mapped")
          continue
        }
        #expect(left.isAccessed == (isAccessed && bits == .dirty), "page \(page)")
        #expect(left.isDirty == (isDirty && bits == .accessed), "page \(page)")
      }
      #expect(machine.violations == [])
    }

    @Test(arguments: [PageAccess.none, .readWrite])
    func `a large page that is dirty but not accessed is told whole`(access: PageAccess) throws {
      let space = try VmSpace()
      var frame: Frame<PlainMemory>? = try Frame(
        allocating: PlainMemory(), FrameRequest(size: .twoMiB))
      var cursor = try space.cursor(over: pages(0, 2048))
      try cursor.jump(to: VirtualAddress(512 << 12))
      try cursor.map(&frame, as: Self.used.with(access))
      #expect(try Bits.accessed.clear(pages(600, 2), &cursor) == 512)
      #expect(try Bits.both.clear(pages(0, 2048), &cursor) == 512)
      #expect(try Bits.both.clear(pages(0, 2048), &cursor) == 0)
      #expect(machine.violations == [])
    }

    @Test func `a large page has one bit, and is not split`() throws {
      let space = try VmSpace()
      var frame: Frame<PlainMemory>? = try Frame(
        allocating: PlainMemory(), FrameRequest(size: .twoMiB))
      do {
        var cursor = try space.cursor(over: pages(512, 512))
        try cursor.map(&frame, as: Self.used)
      }
      do {
        var cursor = try space.cursor(over: pages(600, 2))
        #expect(cursor.clearDirty(2 << 12) == 512 << 12)
        let isAtEnd = cursor.isAtEnd
        #expect(isAtEnd)
        try cursor.jump(to: VirtualAddress(600 << 12))
        #expect(try cursor.query().byteCount == 512 << 12)
      }
      #expect(property(512, in: space)?.isDirty == false)
      #expect(property(512, in: space)?.isAccessed == true)
      #expect(machine.violations == [])
    }
  }
}
