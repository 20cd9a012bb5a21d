internal import DemoPlatform
internal import Tessera
internal import TesseraHardware
internal import TesseraSpaces

extension SpaceDemonstration {
  /// Copies bytes to a program and back at the program's own addresses, as a system call does, and
  /// looks that nothing is touched that the program could not use.
  mutating func copyUserMemory(_ program: borrowing Program, while idle: borrowing Program) {
    begin("copy to a program's memory and back")
    program.space.activate()
    var byteCount = 0
    do throws(UserMemoryError) {
      byteCount += try copyAndCompare(program)
      byteCount += try copyToTheEnd(program)
      try checkRefusals(program)
    } catch { checks.check(false, "the memory of an active program can be reached") }
    checks.check(
      (try? idle.space.reader(at: VirtualAddress(Program.data.start), byteCount: 8)) == nil,
      "the memory of a program that is not active cannot be reached")
    if UserAccess.isPrevented {
      checks.check(
        MemoryProbe.read(Program.data.start) == nil,
        "after a copy the processor keeps the kernel from programs' memory again (SMAP)")
    }
    end(UInt64(byteCount), UserAccess.isPrevented ? " bytes, with SMAP on" : " bytes")
  }

  /// Writes a block that begins in the middle of a page, finds it, and puts back what was there.
  private mutating func copyAndCompare(
    _ program: borrowing Program
  ) throws(UserMemoryError) -> Int {
    let start = Program.data.start + 0x804
    let byteCount = 4096
    let writer = try program.space.writer(
      at: VirtualAddress(start), byteCount: UInt64(byteCount))
    let reader = try program.space.reader(
      at: VirtualAddress(start), byteCount: UInt64(byteCount))
    var saved = [512 of UInt64](repeating: 0)
    var block = [512 of UInt64](repeating: 0x0123_4567_89ab_cdef)
    var done = read(&saved, from: reader)
    done += write(block, to: writer)
    block = [512 of UInt64](repeating: 0)
    done += read(&block, from: reader)
    var good = true
    for index in 0..<512 { good = good && block[index] == 0x0123_4567_89ab_cdef }
    checks.check(good, "what was copied to a program comes back")
    checks.check(
      reader.load(UInt32.self, at: 0xffc) == 0x0123_4567,
      "a number is loaded from the middle of a block")
    checks.check(
      program.content(at: start + 4) == 0x89ab_cdef_0123_4567,
      "the memory shows the same through the window")
    done += write(saved, to: writer)
    checks.check(done == 4 * byteCount, "all bytes of mapped pages are copied")
    return done
  }

  /// Copies over the end of the data, behind which nothing is mapped.
  private mutating func copyToTheEnd(
    _ program: borrowing Program
  ) throws(UserMemoryError) -> Int {
    let end = Program.data.start + Program.data.byteCount
    let reader = try program.space.reader(at: VirtualAddress(end - 1000), byteCount: 4096)
    let writer = try program.space.writer(at: VirtualAddress(end - 1000), byteCount: 4096)
    var block = [512 of UInt64](repeating: 0)
    let found = read(&block, from: reader)
    let stored = write(block, to: writer)
    checks.check(found == 1000 && stored == 1000, "a copy ends where the pages of a program do")
    return found + stored
  }

  private mutating func checkRefusals(_ program: borrowing Program) throws(UserMemoryError) {
    let constants = try program.space.writer(
      at: VirtualAddress(Program.constants.start), byteCount: 8)
    checks.check(
      !constants.store(0 as UInt64), "what a program can only read is not written for it")
    let reserve = try program.space.reader(
      at: VirtualAddress(Program.stackReserve.start), byteCount: 8)
    checks.check(
      reserve.load(UInt64.self) == nil, "pages that wait to be needed are not read")
    checks.check(
      (try? program.space.writer(at: VirtualAddress(KernelImage.text.lowerBound), byteCount: 8))
        == nil, "the kernel's memory is not a program's")
    checks.check(
      (try? program.space.reader(at: VirtualAddress(Program.data.start), byteCount: .max)) == nil,
      "more bytes than there are addresses are refused")
  }

  private func read(
    _ block: inout InlineArray<512, UInt64>, from reader: borrowing UserMemoryReader
  ) -> Int {
    var words = block.mutableSpan
    // SAFETY: any bytes are numbers.
    var bytes = unsafe words.mutableBytes
    return reader.read(into: &bytes)
  }

  private func write(
    _ block: InlineArray<512, UInt64>, to writer: borrowing UserMemoryWriter
  ) -> Int {
    // SAFETY: numbers have no bytes that hold nothing.
    unsafe writer.write(block.span.bytes)
  }
}
