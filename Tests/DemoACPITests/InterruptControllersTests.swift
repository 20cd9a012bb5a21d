import DemoACPI
import MultibootFuzz
import TesseraBoot
import Testing

/// Reads `image` as the kernel does, without a loader that knows the root pointer.
func controllers(
  of image: FirmwareImage, rootPointer: UInt64? = nil
) throws(ACPIError) -> InterruptControllers {
  try InterruptControllers(in: image.memory, rootPointer: rootPointer)
}

extension InterruptControllers {
  var ids: [UInt32] { (0..<count).map { self[$0] } }
}

@Suite("Interrupt controllers") struct InterruptControllersTests {
  @Test(arguments: [0, 1, 2, 3] as [UInt8], [FirmwareImage.rootPointer, nil])
  func `the processors of the firmware are found`(revision: UInt8, rootPointer: UInt64?) throws {
    let image = FirmwareImage(
      revision: revision, (0..<4).map { .localAPIC(id: 2 * $0, flags: 1) })
    let found = try controllers(of: image, rootPointer: rootPointer)
    #expect(found.ids == [0, 2, 4, 6])
    #expect(found.registers == 0xfee0_0000)
    #expect(found.leftOutCount == 0 && found.offCount == 0)
  }

  @Test func `processors in both forms are listed once`() throws {
    let image = FirmwareImage(
      revision: 2,
      [
        .x2APIC(id: 1, flags: 1), .localAPIC(id: 1, flags: 1), .x2APIC(id: 0x1234, flags: 3),
        .x2APIC(id: 255, flags: 1),
      ])
    #expect(try controllers(of: image).ids == [1, 0x1234, 255])
  }

  @Test func `processors that are off are counted, and broadcast ids are not`() throws {
    let image = FirmwareImage(
      revision: 2,
      [
        .localAPIC(id: 0, flags: 1), .localAPIC(id: 1, flags: 0), .localAPIC(id: 2, flags: 2),
        .x2APIC(id: 3, flags: 2), .localAPIC(id: 255, flags: 1),
        .x2APIC(id: 0xffff_ffff, flags: 1),
      ])
    let found = try controllers(of: image)
    #expect(found.ids == [0])
    #expect(found.offCount == 2)
  }

  @Test func `an override replaces the address of the registers`() throws {
    let image = FirmwareImage(
      revision: 2, [.addressOverride(0x12_3456_7000), .localAPIC(id: 0, flags: 1)])
    #expect(try controllers(of: image).registers == 0x12_3456_7000)
  }

  @Test func `entries of other types are passed over`() throws {
    let image = FirmwareImage(
      revision: 2,
      [
        .other(type: 1, Array(repeating: 9, count: 10)), .localAPIC(id: 5, flags: 1),
        .other(type: 0x80, []), .localAPIC(id: 6, flags: 1),
      ])
    #expect(try controllers(of: image).ids == [5, 6])
  }

  @Test func `processors beyond the capacity are counted`() throws {
    let entries = (0..<70).map { FirmwareImage.Entry.localAPIC(id: $0, flags: 1) }
    let found = try controllers(of: FirmwareImage(revision: 2, entries))
    #expect(found.ids == Array(0..<64) as [UInt32])
    #expect(found.leftOutCount == 6)
  }

  @Test func `the root pointer is found in the extended data area first`() throws {
    let table = FirmwareImage(revision: 0, [.localAPIC(id: 7, flags: 1)])
    var low = [UInt8](repeating: 0, count: 0x10_0000)
    low.replaceSubrange(
      Int(FirmwareImage.start)..<Int(FirmwareImage.start) + table.bytes.count, with: table.bytes)
    let place = Int(FirmwareImage.rootPointer)
    let root = Array(low[place..<place + 20])
    // In read-only memory there is another, whose checksum is right and whose list is not there.
    low[place + 19] = low[place + 19] &- 1
    low[place + 8] = low[place + 8] &+ 1
    #expect(throws: ACPIError.self) {
      try InterruptControllers(in: ByteMemory(low, at: 0), rootPointer: nil)
    }
    low.replaceSubrange(0x40e..<0x410, with: [0xc0, 0x9f])
    low.replaceSubrange(0x9_fc30..<0x9_fc44, with: root)
    #expect(try InterruptControllers(in: ByteMemory(low, at: 0), rootPointer: nil).ids == [7])
    // Not an area that a BIOS can have.
    low.replaceSubrange(0x40e..<0x410, with: [0x00, 0xff])
    #expect(throws: ACPIError.self) {
      try InterruptControllers(in: ByteMemory(low, at: 0), rootPointer: nil)
    }
  }
}
