import SimulatedMachine
import Tessera
import TesseraFaults
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TesseraSpaces
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Copies of up to three pages, near the ends of pages, to and from every kind of page: at the
  /// program's addresses, and through the tables of a space that is active or is not.
  @Suite("Sweep of user memory") struct UserMemorySweepTests {
    let machine: SimulatedMachine
    /// Three pages that are read and written come before the one in question.
    private static let start: UInt64 = 0x5000
    private static let place = start + 3 * 4096

    init() throws {
      machine = SimulatedMachine(frameCount: 2048)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    enum Kind: CaseIterable {
      case unmapped, readOnly, withoutAccess, demandZero, pending, copyOnWrite, zeros

      /// How many of the bytes in its page a read and a write reach.
      var allows: (read: Bool, write: Bool) {
        switch self {
        case .unmapped, .withoutAccess, .pending: (false, false)
        case .readOnly: (true, false)
        case .demandZero, .copyOnWrite, .zeros: (true, true)
        }
      }
    }

    /// How the kernel gets at the bytes.
    enum Way: CaseIterable {
      /// At the program's addresses.
      case direct
      case tablesOfActive
      case tablesOfInactive
    }

    private func make(_ kind: Kind, in space: borrowing VmSpace) throws {
      try space.withCursor(over: bytes(Self.place, 4096)) { cursor throws(TesseraError) in
        try cursor.unmap(4096)
        try cursor.jump(to: VirtualAddress(Self.place))
        switch kind {
        case .unmapped, .readOnly, .withoutAccess, .copyOnWrite: break
        case .demandZero, .zeros: try cursor.setDemandZero(4096, as: .userReadWrite)
        case .pending: try cursor.setPending(4096, 1, as: .userReadWrite)
        }
      }
      switch kind {
      case .readOnly: try mapFrame(at: Self.place, in: space, as: .userRead)
      case .withoutAccess:
        try mapFrame(at: Self.place, in: space, as: PageProperty(.none, isUser: true))
      case .copyOnWrite: try mapFrame(at: Self.place, in: space)
      case .zeros: _ = space.resolve(.read, at: VirtualAddress(Self.place))
      default: break
      }
    }

    /// Reads `count` bytes at `address`. Returns how many were read.
    private func read(
      _ buffer: inout [UInt8], _ count: Int, at address: UInt64, of space: borrowing VmSpace,
      _ way: Way
    ) throws -> Int {
      var span = buffer.mutableSpan
      var raw = unsafe span.mutableBytes
      var part = raw.extracting(first: count)
      guard way == .direct else { return space.read(into: &part, at: VirtualAddress(address)) }
      return try space.reader(at: VirtualAddress(address), byteCount: UInt64(count))
        .read(into: &part)
    }

    private func write(
      _ buffer: [UInt8], _ count: Int, at address: UInt64, to space: borrowing VmSpace, _ way: Way
    ) throws -> Int {
      let part = unsafe buffer.span.bytes.extracting(first: count)
      guard way == .direct else { return space.write(part, at: VirtualAddress(address)) }
      return try space.writer(at: VirtualAddress(address), byteCount: UInt64(count)).write(part)
    }

    @Test(arguments: Kind.allCases, Way.allCases)
    func `as many bytes are copied as allow it`(kind: Kind, way: Way) throws {
      let space = try VmSpace()
      for page in 0..<3 as Range<UInt64> {
        try mapFrame(at: Self.start + page * 4096, in: space)
      }
      if way != .tablesOfInactive { space.activate() }
      defer { VmSpace.deactivate() }
      var buffer = [UInt8](repeating: 0, count: 3 * 4096)
      try make(kind, in: space)
      let other = try space.fork()
      for count in 0...3 * 4096 where count < 40 || count % 4096 < 3 || count % 41 == 0 {
        for before in [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 63, 64, 4095, 4096, 4097, 8192] {
          let address = Self.place - UInt64(before)
          let expected = { (isAllowed: Bool) in
            // After the page in question nothing is mapped.
            isAllowed ? min(count, before + 4096) : min(count, before)
          }
          let done = try read(&buffer, count, at: address, of: space, way)
          #expect(done == expected(kind.allows.read), "read \(count) bytes, \(before) before")
          let written = try write(buffer, count, at: address, to: space, way)
          #expect(written == expected(kind.allows.write), "write \(count) bytes, \(before) before")
        }
      }
      #expect(space.problems == [] && other.problems == [])
      #expect(machine.violations == [])
    }

    @Test(arguments: Way.allCases)
    func `the bytes are those at the addresses, and no others change`(way: Way) throws {
      let space = try VmSpace()
      for page in 0..<3 as Range<UInt64> {
        try mapFrame(at: Self.start + page * 4096, in: space)
      }
      try make(.copyOnWrite, in: space)
      if way != .tablesOfInactive { space.activate() }
      defer { VmSpace.deactivate() }
      var model = [UInt8](repeating: 0, count: 4 * 4096)
      var other = model
      var child: VmSpace? = nil
      for round in 0..<200 {
        if round == 100 {
          other = model
          child = try space.fork()
        }
        let count = [0, 1, 7, 8, 100, 4095, 4096, 4097, 8190][round % 9]
        let first = (round * 1237) % (model.count - count)
        let bytes = (0..<max(1, count)).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ round) }
        let written = try write(bytes, count, at: Self.start + UInt64(first), to: space, way)
        #expect(written == count)
        model.replaceSubrange(first..<first + count, with: bytes[..<count])
        var found = [UInt8](repeating: 0xee, count: model.count + 1)
        #expect(try read(&found, model.count, at: Self.start, of: space, way) == model.count)
        #expect(found == model + [0xee], "round \(round)")
      }
      var found = [UInt8](repeating: 0xee, count: model.count)
      if let child = child.take() {
        #expect(try read(&found, model.count, at: Self.start, of: child, .tablesOfInactive) > 0)
        #expect(child.problems == [])
      }
      #expect(found == other, "the child has what was there at the fork")
      #expect(machine.violations == [])
    }

    @Test func `addresses that no program has are not accessed`() throws {
      let space = try VmSpace()
      var buffer = [UInt8](repeating: 1, count: 64)
      for address in [
        VmSpace.end.rawValue, 1 << 47, 0x8000_0000_0000_0000, 0xffff_8000_0000_0000,
        KernelSpace.area.lowerBound.rawValue, .max - 63, .max - 30, .max,
      ] as [UInt64] {
        for way in [Way.tablesOfActive, .tablesOfInactive] {
          if way == .tablesOfActive { space.activate() } else { VmSpace.deactivate() }
          #expect(try read(&buffer, 64, at: address, of: space, way) == 0)
          #expect(try write(buffer, 64, at: address, to: space, way) == 0)
          let word = address & ~7
          #expect(space.load(UInt64.self, at: VirtualAddress(word)) == nil)
          let isStored = space.store(1 as UInt32, at: VirtualAddress(word))
          #expect(!isStored)
          #expect(space.compareExchange(0 as UInt64, 1, at: VirtualAddress(word)) == nil)
          #expect(space.fill(8, with: 1, at: VirtualAddress(address)) == 0)
        }
      }
      #expect(machine.violations == [])
    }

    @Test func `values are loaded, stored and exchanged at once, where they are aligned`() throws {
      let space = try VmSpace()
      let place = VirtualAddress(Self.place)
      try make(.demandZero, in: space)
      let child = try space.fork()
      let exchanged = space.compareExchange(0 as UInt64, 7, at: place)
      #expect(exchanged == 0)
      #expect(space.compareExchange(0 as UInt64, 8, at: place) == 7)
      #expect(space.load(UInt64.self, at: place) == 7)
      #expect(space.compareExchange(7 as UInt32, 9, at: place) == 7)
      let high = VirtualAddress(Self.place + 4)
      let isHighStored = space.store(1 as UInt32, at: high)
      #expect(isHighStored)
      #expect(space.load(UInt32.self, at: high) == 1)
      #expect(space.load(UInt64.self, at: place) == 1 << 32 | 9)
      for odd in [1, 2, 3, 5, 6, 7, 4095] as [UInt64] {
        let address = VirtualAddress(Self.place + odd)
        #expect(space.load(UInt32.self, at: address) == nil)
        #expect(space.load(UInt64.self, at: address) == nil)
        let areStored = (
          space.store(1 as UInt32, at: address), space.store(1 as UInt64, at: address)
        )
        #expect(!areStored.0 && !areStored.1)
        #expect(space.compareExchange(0 as UInt32, 1, at: address) == nil)
      }
      #expect(space.load(UInt64.self, at: high) == nil, "eight bytes at a multiple of four")
      #expect(child.load(UInt64.self, at: place) == 0)
      try make(.readOnly, in: space)
      let isStored = space.store(1 as UInt64, at: place)
      #expect(!isStored)
      #expect(space.compareExchange(0 as UInt64, 1, at: place) == nil)
      #expect(space.load(UInt64.self, at: place) == 0)
    }

    @Test func `a string ends at its first zero, at the end of its room, or of what is readable`()
      throws
    {
      let space = try VmSpace()
      try mapFrame(at: Self.start, in: space)
      try mapFrame(at: Self.start + 4096, in: space)
      let end = Self.start + 8192
      #expect(space.fill(8192, with: 65, at: VirtualAddress(Self.start)) == 8192)
      for length in [0, 1, 5, 4095, 4096, 4097] {
        for room in [0, 1, length, length + 1, 5000] {
          let start = end - UInt64(length) - 1
          try #require(space.write([0 as UInt8].span.bytes, at: VirtualAddress(end - 1)) == 1)
          var buffer = [UInt8](repeating: 1, count: room + 1)
          var span = buffer.mutableSpan
          var raw = unsafe span.mutableBytes
          var part = raw.extracting(first: room)
          let found = space.readString(into: &part, at: VirtualAddress(start))
          #expect(found == (length < room ? .complete(length) : .tooLong))
          #expect(buffer[room] == 1, "nothing is stored beyond the room")
        }
      }
      #expect(space.fill(1, with: 65, at: VirtualAddress(end - 1)) == 1)
      var buffer = [UInt8](repeating: 1, count: 100)
      var span = buffer.mutableSpan
      var raw = unsafe span.mutableBytes
      #expect(space.readString(into: &raw, at: VirtualAddress(end - 10)) == .denied(10))
      #expect(space.readString(into: &raw, at: VmSpace.end) == .denied(0))
      #expect(space.readString(into: &raw, at: VirtualAddress(.max - 2)) == .denied(0))
    }

    @Test func `no page appears that a string does not reach`() throws {
      let space = try VmSpace()
      try space.withCursor(over: bytes(Self.start, 2 * 4096)) { cursor throws(TesseraError) in
        try cursor.setDemandZero(2 * 4096, as: .userReadWrite)
      }
      var buffer = [UInt8](repeating: 1, count: 5000)
      var span = buffer.mutableSpan
      var raw = unsafe span.mutableBytes
      let found = space.readString(into: &raw, at: VirtualAddress(Self.start + 4000))
      #expect(found == .complete(0))
      let next = try space.cursor(overMapped: bytes(Self.start + 4096, 4096)).query().content
      #expect(next == .demandZero(.userReadWrite))
    }

    @Test func `bytes are copied between spaces, and within one`() throws {
      let source = try VmSpace()
      let target = try VmSpace()
      for page in 0..<3 as Range<UInt64> {
        try mapFrame(at: Self.start + page * 4096, in: source)
      }
      try target.withCursor(over: bytes(Self.start, 4 * 4096)) { cursor throws(TesseraError) in
        try cursor.setDemandZero(4 * 4096, as: .userReadWrite)
      }
      for word in 0..<1536 as Range<UInt64> {
        let isStored = source.store(word, at: VirtualAddress(Self.start + word * 8))
        #expect(isStored)
      }
      let (from, to) = (VirtualAddress(Self.start + 8), VirtualAddress(Self.start + 24))
      #expect(target.copy(4 * 4096, from: from, of: source, to: to) == 3 * 4096 - 8)
      #expect(target.load(UInt64.self, at: VirtualAddress(Self.start + 16)) == 0)
      #expect(target.load(UInt64.self, at: to) == 1)
      let last = VirtualAddress(Self.start + 24 + 3 * 4096 - 16)
      #expect(target.load(UInt64.self, at: last) == 1535)
      #expect(source.copy(8, from: VirtualAddress(Self.start), of: source, to: from) == 8)
      #expect(source.load(UInt64.self, at: from) == 0)
      #expect(target.copy(8, from: VirtualAddress(0), of: source, to: to) == 0)
      #expect(target.copy(8, from: from, of: source, to: VmSpace.end) == 0)
      #expect(target.copy(8, from: VirtualAddress(.max - 3), of: source, to: to) == 0)
    }

    @Test func `memory that is not in the direct map is not accessed`() throws {
      let space = try VmSpace()
      try mapDevice(at: Self.place, 0xfee0_0000, 4096, in: space)
      #expect(space.load(UInt64.self, at: VirtualAddress(Self.place)) == nil)
      #expect(space.fill(8, with: 1, at: VirtualAddress(Self.place)) == 0)
    }

    /// The kernel in QEMU continues the copies that fault there.
    @Test func `a fault of an instruction that copies no user memory is not recovered from`() {
      for code in [0, PageFaultErrorCode.user, PageFaultErrorCode.write] {
        let fault = TesseraFaults.PageFault(at: VirtualAddress(Self.place), errorCode: code)
        #expect(fault.recovery(at: 0xffff_ffff_8010_0000) == nil)
      }
    }

    @Test func `what the kernel accesses is accessed and dirty`() throws {
      let space = try VmSpace()
      let place = VirtualAddress(Self.place)
      try make(.copyOnWrite, in: space)
      #expect(space.load(UInt64.self, at: place) == 0)
      var property = space.translate(place)?.property
      #expect(property?.isAccessed == true && property?.isDirty == false)
      let isStored = space.store(1 as UInt64, at: place)
      #expect(isStored)
      property = space.translate(place)?.property
      #expect(property?.isAccessed == true && property?.isDirty == true)
    }
  }
}
