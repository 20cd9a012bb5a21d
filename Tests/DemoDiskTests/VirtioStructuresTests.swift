import MultibootFuzz
import TestSupport
import Testing

@testable import DemoPCI

@Suite("Structures of a virtio device") struct VirtioStructuresTests {
  /// Reads the capabilities of a function that `body` has damaged. Returns the sentence.
  private func outcome(_ body: (FakeFunction) -> Void) -> String {
    let function = FakeFunction()
    body(function)
    do throws(PCIError) {
      _ = try VirtioStructures(of: function)
      return "accepted"
    } catch {
      var text = TextBuffer()
      error.write(to: &text)
      return text.text
    }
  }

  @Test func `the structures of an undamaged function are found`() throws {
    let function = FakeFunction()
    let before = function.bytes
    let found = try VirtioStructures(of: function)
    let memory = FakeFunction.memory
    #expect(found.common == .init(address: memory, byteCount: 0x1000))
    #expect(found.notification == .init(address: memory + 0x3000, byteCount: 0x1000))
    #expect(found.device == .init(address: memory + 0x2000, byteCount: 0x1000))
    #expect(found.notificationStride == 4)
    // The measured registers have their values again.
    #expect(function.bytes == before && !function.wasMovedWhileDecoding)
  }

  @Test func `memory is measured while the function answers to nothing`() throws {
    let function = FakeFunction()
    function.put([7], at: 4)
    _ = try VirtioStructures(of: function)
    #expect(!function.wasMovedWhileDecoding && function.bytes[4] == 7)
    function.enable()
    #expect(function.bytes[4] == 7 && function.bytes[5] == 4)
  }

  @Test func `a register of 32 bits is measured`() throws {
    let function = FakeFunction()
    function.sizes = [0, 0x1000, 0, 0, 0x4000, 0]
    function.put(littleEndian(0xfeb0_1000), at: 0x14)
    function.put(function.capability(4, next: 0, register: 1, from: 0, byteCount: 8), at: 0x64)
    let found = try VirtioStructures(of: function)
    #expect(found.device == .init(address: 0xfeb0_1000, byteCount: 8))
  }

  @Test func `a notification register lies within its structure`() throws {
    let found = try VirtioStructures(of: FakeFunction())
    #expect(found.notificationAddress(offset: 0) == FakeFunction.memory + 0x3000)
    #expect(found.notificationAddress(offset: 0x3ff) == FakeFunction.memory + 0x3ffc)
    #expect(found.notificationAddress(offset: 0x400) == nil)
    #expect(found.notificationAddress(offset: 0xffff) == nil)
  }

  @Test func `a list that is damaged is named`() {
    #expect(outcome { _ in } == "accepted")
    #expect(outcome { $0.put([0], at: 6) } == "its PCI function has no list of capabilities")
    #expect(
      outcome { $0.put([0x3c], at: FakeFunction.common + 1) }
        == "its list of PCI capabilities leads into the header: offset 60")
    #expect(
      outcome { $0.put([FakeFunction.common], at: FakeFunction.device + 1) }
        == "its list of PCI capabilities does not end")
    #expect(
      outcome { $0.put([0], at: 0x34) } == "it has no PCI capability of common registers")
    #expect(
      outcome { $0.put([0], at: FakeFunction.common + 1) }
        == "it has no PCI capability of notification registers")
    #expect(
      outcome { $0.put([0], at: FakeFunction.notification + 1) }
        == "it has no PCI capability of device registers")
  }

  @Test func `a capability that is damaged is named`() {
    #expect(
      outcome { $0.put([15], at: FakeFunction.common + 2) }
        == "a PCI capability is too short: offset 64")
    #expect(
      outcome { $0.put([19], at: FakeFunction.notification + 2) }
        == "a PCI capability is too short: offset 80")
    #expect(
      outcome { $0.put([193], at: FakeFunction.common + 2) }
        == "a PCI capability extends beyond the configuration: offset 64")
    #expect(
      outcome { function in
        function.put([0xf4], at: FakeFunction.notification + 1)
        function.put([9, 0, 16, 4, 4, 0, 0, 0, 0, 0, 0, 0], at: 0xf4)
      } == "a PCI capability extends beyond the configuration: offset 244")
  }

  @Test func `a structure that is damaged is named`() {
    for (offset, least) in [
      (FakeFunction.common, 56), (FakeFunction.notification, 2), (FakeFunction.device, 8),
    ] as [(UInt8, UInt32)] {
      #expect(outcome { $0.put(littleEndian(least), at: offset + 12) } == "accepted")
      #expect(
        outcome { $0.put(littleEndian(least - 1), at: offset + 12) }
          == "the registers of a PCI capability are too short: offset \(offset)")
      let step: UInt32 = offset == FakeFunction.notification ? 1 : 2
      #expect(
        outcome { function in
          function.put(littleEndian(step), at: offset + 8)
        } == "the registers of a PCI capability are not aligned: offset \(offset)")
      for (start, byteCount) in [(0x3004, 0x1000), (0, 0x4001), (.max - 3, .max)]
        as [(UInt32, UInt32)]
      {
        #expect(
          outcome { $0.put(littleEndian(start) + littleEndian(byteCount), at: offset + 8) }
            == "the registers of a PCI capability extend beyond its memory: offset \(offset)")
      }
    }
  }

  @Test func `a base address without memory is named`() {
    let sentence = "a PCI base address register has no valid address: number"
    // Neither half has an address; no memory; not a multiple of its size.
    #expect(outcome { $0.put([4, 0, 0, 0, 0, 0, 0, 0], at: 0x20) } == "\(sentence) 4")
    #expect(outcome { $0.sizes[4] = 0 } == "\(sentence) 4")
    #expect(outcome { $0.put([4, 0x10, 0, 0], at: 0x20) } == "\(sentence) 4")
    // A register of 64 bits that is the last one.
    #expect(
      outcome { function in
        function.put([4, 0, 0, 0x40], at: 0x24)
        function.put([5], at: FakeFunction.device + 4)
      } == "\(sentence) 5")
  }

  @Test func `capabilities that must be ignored are`() {
    // In ports, in a register that no function has, of another kind; then there is no other.
    let missing = "it has no PCI capability of device registers"
    for damage in [[1], [6], [0xff]] as [[UInt8]] {
      #expect(
        outcome { function in
          function.put(littleEndian(0xc001), at: 0x14)
          function.put(damage, at: FakeFunction.device + 4)
        } == missing)
    }
    #expect(outcome { $0.put([9, 0, 0, 77], at: FakeFunction.device) } == missing)
    // The first that can be used counts.
    #expect(
      outcome { function in
        function.put([0x80], at: FakeFunction.device + 1)
        function.put(function.capability(4, next: 0, from: 0x2000, byteCount: 8), at: 0x80)
        function.put([6], at: FakeFunction.device + 4)
      } == "accepted")
  }

  @Test(.seeded(1)) func `any configuration results in structures within its memory`() {
    var accepted = 0
    let count = Seed.rounds(20_000, ofRange: 200)
    for run in 0..<count {
      var generator = FuzzGenerator(seed: Seed.current &+ UInt64(run) << 20)
      let function = FakeFunction()
      for _ in 0..<Int.random(in: 0..<5, using: &generator) {
        let delicate: [UInt8] = [0, 1, 2, 4, 9, 16, 0x3f, 0x40, 0x50, 0x80, 0xfc, 0xff]
        let value =
          Bool.random(using: &generator)
          ? delicate[Int.random(in: 0..<delicate.count, using: &generator)]
          : UInt8.random(in: 0...255, using: &generator)
        // Not the base address registers, whose memory is the measure below.
        let place =
          Bool.random(using: &generator)
          ? UInt8.random(in: 0x34..<0x78, using: &generator)
          : UInt8.random(in: 0x28...0xff, using: &generator)
        function.put([value], at: place)
      }
      guard let found = try? VirtioStructures(of: function) else { continue }
      accepted += 1
      let end = FakeFunction.memory + FakeFunction.memoryByteCount
      for place in [found.common, found.notification, found.device] {
        #expect(place.address >= FakeFunction.memory && place.address + place.byteCount <= end)
      }
      #expect(function.readCount < 1000)
    }
    #expect(accepted > count / 10 && count - accepted > count / 10)
  }
}
