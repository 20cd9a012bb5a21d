import TesseraFrames
import TesseraHardware
import TestSupport
import Testing

@Suite("Table of the memory map") struct MemoryMapTableTests {
  @Test func `one line for each region, sizes right aligned, kinds in words`() {
    let table = memoryMap(
      [
        region(0, 0x9fc00, .usable), region(0x10_0000, 0x1ffe_0000, .usable),
        region(0x10_0000, 0x26_2000, .kernelImage), region(0xfffc_0000, 0x1_0000_0000, .reserved),
        region(0x1_0000_0000, 0x11_0000_0000, .usable),
      ], lowMemoryEnd: 0x10_0000)
    var buffer = TextBuffer()
    table.write(to: &buffer, title: "multiboot1")
    #expect(
      buffer.text == """
        tessera: memory map (multiboot1, 5 entries -> 5 regions)
          0x0000000000000000-0x000000000009f000   636 KiB  low memory, reserved
          0x0000000000100000-0x0000000000262000  1416 KiB  kernel image
          0x0000000000262000-0x000000001ffe0000   509 MiB  usable
          0x00000000fffc0000-0x0000000100000000   256 KiB  reserved
          0x0000000100000000-0x0000001100000000    64 GiB  usable

        """)
  }

  @Test func `one entry and one region are singular`() {
    var buffer = TextBuffer()
    memoryMap([region(0, 1 << 52, .usable)]).write(to: &buffer, title: "array")
    #expect(
      buffer.text == """
        tessera: memory map (array, 1 entry -> 1 region)
          0x0000000000000000-0x0010000000000000  4096 TiB  usable

        """)
  }
}
