import SimulatedMachine
import Tessera
import TesseraFrames
import TestSupport
import Testing

/// A sink that keeps everything written to it.
private struct Transcript: TextSink {
  private var bytes: [UInt8] = []

  var text: String { String(decoding: bytes, as: UTF8.self) }
  var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }

  mutating func write(byte: UInt8) { bytes.append(byte) }

  static func of(_ body: (inout Transcript) -> Void) -> Transcript {
    var transcript = Transcript()
    body(&transcript)
    return transcript
  }
}

extension OnSimulatedMachine {
  @Suite("Dumps of address spaces") struct DumpTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 1024)
      try machine.startKernelSpace()
    }

    /// Maps the frames at `addresses` to contiguous pages from `place`.
    private func map(
      _ addresses: [UInt64], at place: UInt64, as property: PageProperty,
      in space: borrowing VmSpace
    ) throws {
      let start = VirtualAddress(place)
      var cursor = try space.cursor(over: start..<start.advanced(addresses.count))
      for address in addresses {
        var frame: Frame<PlainMemory>? = try Frame(
          claiming: PhysicalAddress(address), metadata: PlainMemory())
        try cursor.map(&frame, as: property)
      }
    }

    private func change(
      _ place: UInt64, _ pageCount: Int, in space: borrowing VmSpace,
      _ body: (inout Cursor) throws -> Void
    ) throws {
      let start = VirtualAddress(place)
      var cursor = try space.cursor(over: start..<start.advanced(pageCount))
      try body(&cursor)
    }

    @Test func `an empty space has one table and no ranges`() throws {
      let space = try VmSpace()
      let dump = Transcript.of { space.dump(to: &$0) }
      #expect(dump.text == "  0 ranges, 0 KiB mapped, 1 table\n")
    }

    @Test func `pages that differ only in their addresses share a line`() throws {
      let space = try VmSpace()
      try map([0x2_0000, 0x2_1000], at: 0x40_0000, as: .userReadExecute, in: space)
      try map([0x2_2000], at: 0x40_2000, as: .userRead, in: space)
      try map([0x3_0000, 0x3_2000, 0x3_1000], at: 0x50_0000, as: .userReadWrite, in: space)
      try change(0x80_0000, 512, in: space) {
        try unsafe $0.mapDevice(
          PhysicalAddress(0xfee0_0000), byteCount: 0x20_0000,
          as: PageProperty.userReadWrite.with(cachePolicy: .uncacheable))
      }
      try change(0x50_2000, 1, in: space) { try $0.protect(0x1000, to: .none) }
      try change(0x4000_0000, 0x4_0001, in: space) { try $0.setStatus(0x4000_1000, to: 7) }
      let dump = Transcript.of { space.dump(to: &$0) }
      #expect(
        dump.text == """
            0x0000000000400000-0x0000000000402000     8 KiB  r-x u - wb 4K  -> 0x20000 (linear)
            0x0000000000402000-0x0000000000403000     4 KiB  r-- u - wb 4K  -> 0x22000
            0x0000000000500000-0x0000000000502000     8 KiB  rw- u - wb 4K  -> various
            0x0000000000502000-0x0000000000503000     4 KiB  --- u - wb 4K  -> 0x31000
            0x0000000000800000-0x0000000000a00000  2048 KiB  rw- u - uc 2M  -> 0xfee00000
            0x0000000040000000-0x0000000080001000  1024 MiB  status 7
            6 ranges, 2,072 KiB mapped, 6 tables

          """)
    }

    @Test(arguments: [[0, 1, 2, 3], [0, 2, 1, 3], [1, 0, 2, 3], [0, 1, 3, 2]] as [[UInt64]])
    func `a range is linear if its frames are contiguous in order`(order: [UInt64]) throws {
      let space = try VmSpace()
      try map(order.map { 0x3_0000 + $0 << 12 }, at: 0x50_0000, as: .userRead, in: space)
      let dump = Transcript.of { space.dump(to: &$0) }
      #expect(dump.lines.first?.contains("16 KiB") == true)
      #expect(dump.text.contains("(linear)") == (order == [0, 1, 2, 3]))
    }

    @Test func `accessed, dirty and software bits do not split a range`() throws {
      let space = try VmSpace()
      let used = PageProperty.userReadWrite.with(isAccessed: true, isDirty: true)
      try map([0x2_0000], at: 0x40_0000, as: used, in: space)
      try map([0x2_1000], at: 0x40_1000, as: .userReadWrite.with(software: 2), in: space)
      let dump = Transcript.of { space.dump(to: &$0) }
      #expect(dump.lines[0].hasSuffix("     8 KiB  rw- u - wb 4K  -> 0x20000 (linear)"))
    }

    @Test func `the last user page is in the dump`() throws {
      let space = try VmSpace()
      try map([0x2_0000], at: VmSpace.end.rawValue - 4096, as: .userRead, in: space)
      let dump = Transcript.of { space.dump(to: &$0) }
      #expect(
        dump.text == """
            0x00007fffffffe000-0x00007ffffffff000     4 KiB  r-- u - wb 4K  -> 0x20000
            1 range, 4 KiB mapped, 4 tables

          """)
    }

    @Test func `the JSON dump has one line for each range`() throws {
      let space = try VmSpace()
      try map([0x2_0000, 0x2_1000], at: 0x40_0000, as: .userReadExecute, in: space)
      try map([0x3_0000, 0x3_2000], at: 0x50_0000, as: .userReadWrite, in: space)
      try change(0x60_0000, 1, in: space) { try $0.setStatus(0x1000, to: .max) }
      let dump = Transcript.of { space.dumpJSON(to: &$0) }
      let root = String(space.rootAddress.rawValue, radix: 16)
      #expect(
        dump.text == """
          {"format":"tessera-page-tables","version":1,"root":"0x\(root)"}
          {"start":"0x400000","end":"0x402000","bytes":8192,"read":true,"write":false,\
          "execute":true,"user":true,"global":false,"cache":"wb","page":4096,"target":"0x20000"}
          {"start":"0x500000","end":"0x502000","bytes":8192,"read":true,"write":true,\
          "execute":false,"user":true,"global":false,"cache":"wb","page":4096,"target":null}
          {"start":"0x600000","end":"0x601000","bytes":4096,"status":4294967295}

          """)
    }

    @Test func `a walk lists the entry of each level, down to the page`() throws {
      let space = try VmSpace()
      try map([0x2_0000], at: 0x7f_0040_5000, as: .userReadWrite, in: space)
      let walk = Transcript.of { space.writeWalk(of: VirtualAddress(0x7f_0040_5abc), to: &$0) }
      let root = String(space.rootAddress.rawValue, radix: 16)
      #expect(walk.lines.count == 6)
      #expect(walk.lines[0] == "walk 0x7f00405abc (root 0x\(root))")
      for (line, start) in zip(walk.lines[1...3], ["  L4[  0] ", "  L3[508] ", "  L2[  2] "]) {
        #expect(line.hasPrefix(start))
        #expect(line.hasSuffix("007  table  rwx u  refs 1"))
      }
      #expect(
        walk.lines[4] == "  L1[  5] 0x8000000000020607  page   rw- u - wb 4K -> 0x20abc  refs 1")
    }

    @Test func `a walk stops at an absent entry, a status, and a page without access`() throws {
      let space = try VmSpace()
      try map([0x2_0000], at: 0x40_0000, as: .userRead, in: space)
      try change(0x40_0000, 1, in: space) { try $0.protect(0x1000, to: .none) }
      try change(0x40_1000, 1, in: space) { try $0.setStatus(0x1000, to: 9) }
      func last(_ address: UInt64) -> Substring {
        Transcript.of { space.writeWalk(of: VirtualAddress(address), to: &$0) }.lines.dropLast()
          .last ?? ""
      }
      #expect(last(0x40_2000) == "  L1[  2] 0x0000000000000000  absent            <- stops here")
      #expect(
        last(0x7f_0000_0000) == "  L3[508] 0x0000000000000000  absent            <- stops here")
      #expect(last(0x40_1000) == "  L1[  1] 0x000fffffffff6800  status 9          <- stops here")
      #expect(last(0x40_0008).hasPrefix("  L1[  0] 0x800ffffffffdf604  page   --- u - wb 4K -> "))
      #expect(last(0x40_0008).hasSuffix(" -> 0x20008  refs 1  <- stops here"))
      #expect(last(0x1234_0000_0000_0000) == "  not canonical                 <- stops here")
    }

    @Test func `the kernel dump has kernel mappings only`() throws {
      let space = try VmSpace()
      try map([0x2_0000], at: 0x40_0000, as: .userRead, in: space)
      let start = KernelSpace.area.lowerBound
      do {
        var frame: Frame<PlainMemory>? = try Frame(
          claiming: PhysicalAddress(0x5_0000), metadata: PlainMemory())
        var cursor = try KernelSpace.cursor(over: start..<start.advanced(1))
        try cursor.map(&frame, as: .kernelReadWrite)
      }
      let dump = Transcript.of { KernelSpace.dump(to: &$0) }
      #expect(
        dump.text == """
            0xffffc00000000000-0xffffc00000001000     4 KiB  rw- k g wb 4K  -> 0x50000
            1 range, 4 KiB mapped, 4 tables

          """)
      let walk = Transcript.of { KernelSpace.writeWalk(of: start, to: &$0) }
      #expect(walk.lines.count == 6)
      #expect(walk.lines[1].hasSuffix("003  table  rwx k  refs 1"))
      do {
        var cursor = try KernelSpace.cursor(over: start..<start.advanced(1))
        try cursor.unmap(4096)
      }
      #expect(
        Transcript.of { KernelSpace.dump(to: &$0) }.text == "  0 ranges, 0 KiB mapped, 2 tables\n")
    }

    @Test func `the dump of a space leaves out kernel mappings`() throws {
      let space = try VmSpace()
      let start = KernelSpace.area.lowerBound
      var frame: Frame<PlainMemory>? = try Frame(
        claiming: PhysicalAddress(0x5_0000), metadata: PlainMemory())
      do {
        var cursor = try KernelSpace.cursor(over: start..<start.advanced(1))
        try cursor.map(&frame, as: .kernelReadWrite)
      }
      #expect(
        Transcript.of { space.dump(to: &$0) }.text == "  0 ranges, 0 KiB mapped, 1 table\n")
    }
  }
}

extension VirtualAddress {
  /// The address `pageCount` pages after this one.
  fileprivate func advanced(_ pageCount: Int) -> VirtualAddress {
    VirtualAddress(rawValue + UInt64(pageCount) * 4096)
  }
}
