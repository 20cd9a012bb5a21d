import DemoACPI
import TesseraHardware
import TestSupport
import Testing

@Suite("Damaged ACPI tables") struct DamagedTableTests {
  private static let good = FirmwareImage(
    revision: 2, [.localAPIC(id: 0, flags: 1), .localAPIC(id: 1, flags: 1)])
  private static let goodShort = FirmwareImage(revision: 0, [.localAPIC(id: 0, flags: 1)])

  /// Reads `image` after `body` has damaged it, and returns the sentence.
  private func refusal(
    of image: FirmwareImage = good, at rootPointer: UInt64? = FirmwareImage.rootPointer,
    _ body: (inout FirmwareImage) -> Void
  ) -> String {
    var damaged = image
    body(&damaged)
    do throws(ACPIError) {
      return "accepted \(try controllers(of: damaged, rootPointer: rootPointer).ids)"
    } catch {
      var text = TextBuffer()
      error.write(to: &text)
      return text.text
    }
  }

  @Test func `an undamaged firmware is accepted`() {
    #expect(refusal { _ in } == "accepted [0, 1]")
    #expect(refusal(of: Self.goodShort) { _ in } == "accepted [0]")
  }

  @Test func `a missing root pointer is named`() {
    #expect(
      refusal(at: nil) { $0.put([0], at: FirmwareImage.rootPointer) }
        == "the ACPI table RSDP was not found")
    #expect(
      refusal { $0.put([0], at: FirmwareImage.rootPointer) }
        == "the ACPI table RSDP has the signature of another: address 0xe0040")
    #expect(
      refusal(at: 0x1234_5678_9000) { _ in }
        == "the ACPI table RSDP is not in memory that can be read: address 0x123456789000")
    #expect(
      refusal(at: .max - 3) { _ in }
        == "the ACPI table RSDP is not in memory that can be read: address 0xfffffffffffffffc")
  }

  @Test func `each checksum is checked`() {
    let root = FirmwareImage.rootPointer
    for offset in [9, 19] as [UInt64] {
      #expect(
        refusal { $0.put([$0.byte(at: root + offset) ^ 1], at: root + offset) }
          == "the ACPI table RSDP has a wrong checksum")
    }
    // Of the longer pointer alone, and without a loader that knows it.
    for place in [root, nil] {
      #expect(
        refusal(at: place) { $0.put([1], at: root + 33) }
          == "the ACPI table RSDP has a wrong checksum")
    }
    #expect(
      refusal { $0.put([9], at: FirmwareImage.list + 20) }
        == "the ACPI table XSDT has a wrong checksum")
    #expect(
      refusal(of: Self.goodShort) { $0.put([9], at: FirmwareImage.list + 20) }
        == "the ACPI table RSDT has a wrong checksum")
    #expect(
      refusal { $0.put([9], at: FirmwareImage.controllers + 20) }
        == "the ACPI table MADT has a wrong checksum")
  }

  @Test(arguments: [0, 35, 4097, 0xffff_ffff] as [UInt32])
  func `a root pointer of an impossible length is refused`(byteCount: UInt32) {
    let kind = byteCount < 36 ? "short" : "long"
    #expect(
      refusal { $0.put(littleEndian(byteCount), at: FirmwareImage.rootPointer + 20) }
        == "the ACPI table RSDP is too \(kind): bytes \(byteCount)")
  }

  @Test(arguments: [0, 35, 0x10_0001, 0xffff_ffff] as [UInt32])
  func `a table of an impossible length is refused`(byteCount: UInt32) {
    let kind = byteCount < 36 ? "short" : "long"
    #expect(
      refusal { $0.put(littleEndian(byteCount), at: FirmwareImage.list + 4) }
        == "the ACPI table XSDT is too \(kind): bytes \(byteCount)")
    #expect(
      refusal { $0.put(littleEndian(byteCount), at: FirmwareImage.controllers + 4) }
        == "the ACPI table MADT is too \(kind): bytes \(byteCount)")
  }

  @Test func `a table that is longer than the memory is refused`() {
    #expect(
      refusal { $0.put(littleEndian(0x1001 as UInt32), at: FirmwareImage.controllers + 4) }
        == "the ACPI table MADT is not in memory that can be read: address 0xe4000")
  }

  @Test func `a table of interrupt controllers without room for their address is refused`() {
    #expect(
      refusal { $0.put(FirmwareImage.table("APIC", [0, 0, 0, 0]), at: FirmwareImage.controllers) }
        == "the ACPI table MADT is too short: bytes 40")
  }

  @Test func `a list that is not there is refused`() {
    #expect(
      refusal {
        $0.put(littleEndian(0xffff_ffff_ffff_fff0 as UInt64), at: FirmwareImage.rootPointer + 24)
        $0.mend(FirmwareImage.rootPointer, byteCount: 36, by: 32)
      } == "the ACPI table XSDT is not in memory that can be read: address 0xfffffffffffffff0")
    #expect(
      refusal { $0.put(Array("FACP".utf8), at: FirmwareImage.list) }
        == "the ACPI table XSDT has the signature of another: address 0xe1000")
  }

  @Test func `a list with half an address is refused`() {
    #expect(
      refusal { image in
        let body = littleEndian(FirmwareImage.otherTable) + [0, 0, 0]
        image.put(FirmwareImage.table("XSDT", body), at: FirmwareImage.list)
      } == "the ACPI table XSDT has an entry beyond its end: offset 44")
  }

  @Test func `a list with an address that cannot be read matters if nothing else is found`() {
    func list(_ addresses: [UInt64]) -> [UInt8] {
      FirmwareImage.table("XSDT", addresses.flatMap { littleEndian($0) })
    }
    #expect(
      refusal { $0.put(list([0x5000, FirmwareImage.controllers]), at: FirmwareImage.list) }
        == "accepted [0, 1]")
    #expect(
      refusal { $0.put(list([0x5000, FirmwareImage.otherTable]), at: FirmwareImage.list) }
        == "the ACPI table XSDT is not in memory that can be read: address 0x5000")
    #expect(
      refusal { $0.put(list([FirmwareImage.otherTable]), at: FirmwareImage.list) }
        == "the ACPI table MADT was not found")
  }

  @Test(arguments: [0, 1, 7, 9, 255] as [UInt8])
  func `an entry of an impossible length is refused`(byteCount: UInt8) {
    // The second of two processors, at offset 52 of a table of 60 bytes.
    let problem = byteCount < 8 ? "that is too short" : "beyond its end"
    #expect(
      refusal {
        $0.put([byteCount], at: FirmwareImage.controllers + 53)
        $0.mend(FirmwareImage.controllers, byteCount: 60, by: 9)
      } == "the ACPI table MADT has an entry \(problem): offset 52")
  }

  @Test func `half an entry at the end is refused`() {
    var image = FirmwareImage(revision: 2, [.localAPIC(id: 0, flags: 1)])
    image.put([53], at: FirmwareImage.controllers + 4)
    image.mend(FirmwareImage.controllers, byteCount: 53, by: 9)
    #expect(
      refusal(of: image) { _ in } == "the ACPI table MADT has an entry beyond its end: offset 52")
  }

  @Test(arguments: [(5, 11), (9, 15)] as [(UInt8, Int)])
  func `other entries of an impossible length are refused`(type: UInt8, byteCount: Int) {
    let image = FirmwareImage(
      revision: 2,
      [.localAPIC(id: 0, flags: 1), .other(type: type, Array(repeating: 0, count: byteCount - 2))])
    #expect(
      refusal(of: image) { _ in }
        == "the ACPI table MADT has an entry that is too short: offset 52")
  }

  @Test func `a firmware without a processor that can be used is refused`() {
    for entries in [[], [.localAPIC(id: 0, flags: 0)]] as [[FirmwareImage.Entry]] {
      #expect(
        refusal(of: FirmwareImage(revision: 2, entries)) { _ in }
          == "the ACPI table MADT lists no processor that can be used")
    }
  }
}
