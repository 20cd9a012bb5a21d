internal import DemoPlatform
internal import Tessera
internal import TesseraHardware
internal import TesseraSpaces

extension SpaceDemonstration {
  /// Copies bytes to user memory and back, as a system call does, and checks that nothing is
  /// accessed that the program could not access itself.
  mutating func copyUserMemory(_ program: borrowing Program, while idle: borrowing Program) {
    begin("copy to user memory and back")
    program.space.activate()
    var byteCount = 0
    do throws(TesseraError) {
      byteCount += try copyAndCompare(program)
      byteCount += try copyToTheEnd(program)
      try checkErrors(program)
    } catch { checks.check(false, "user memory of the active space can be accessed") }
    checks.check(
      (try? idle.space.reader(at: VirtualAddress(Program.data.start), byteCount: 8)) == nil,
      "user memory of an inactive space cannot be accessed")
    if UserAccess.isPrevented {
      checks.check(
        MemoryProbe.read(Program.data.start) == nil,
        "SMAP protects user memory again after a copy")
    }
    end(UInt64(byteCount), UserAccess.isPrevented ? " bytes, with SMAP on" : " bytes")
  }

  /// Writes a block that starts in the middle of a page, reads it back, and restores the old bytes.
  private mutating func copyAndCompare(
    _ program: borrowing Program
  ) throws(TesseraError) -> Int {
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
    checks.check(good, "a block copied to user memory is read back")
    checks.check(
      reader.load(UInt32.self, at: 0xffc) == 0x0123_4567,
      "a word is loaded from the middle of a block")
    checks.check(
      program.content(at: start + 4) == 0x89ab_cdef_0123_4567,
      "user memory reads the same through the direct map")
    done += write(saved, to: writer)
    checks.check(done == 4 * byteCount, "all bytes of mapped pages are copied")
    return done
  }

  /// Copies across the end of the data, after which nothing is mapped.
  private mutating func copyToTheEnd(
    _ program: borrowing Program
  ) throws(TesseraError) -> Int {
    let end = Program.data.start + Program.data.byteCount
    let reader = try program.space.reader(at: VirtualAddress(end - 1000), byteCount: 4096)
    let writer = try program.space.writer(at: VirtualAddress(end - 1000), byteCount: 4096)
    var block = [512 of UInt64](repeating: 0)
    let found = read(&block, from: reader)
    let stored = write(block, to: writer)
    checks.check(found == 1000 && stored == 1000, "a copy ends at the first unmapped page")
    return found + stored
  }

  private mutating func checkErrors(_ program: borrowing Program) throws(TesseraError) {
    let constants = try program.space.writer(
      at: VirtualAddress(Program.constants.start), byteCount: 8)
    checks.check(
      !constants.store(0 as UInt64), "a read-only user page is not written")
    let reserve = try program.space.reader(
      at: VirtualAddress(Program.stackReserve.start), byteCount: 8)
    checks.check(
      reserve.load(UInt64.self) == nil, "a page that is allocated on demand is not read")
    checks.check(
      (try? program.space.writer(at: VirtualAddress(KernelImage.text.lowerBound), byteCount: 8))
        == nil, "kernel memory is not user memory")
    checks.check(
      (try? program.space.reader(at: VirtualAddress(Program.data.start), byteCount: .max)) == nil,
      "a range that wraps around is an error")
  }

  private func read(
    _ block: inout InlineArray<512, UInt64>, from reader: borrowing UserMemoryReader
  ) -> Int {
    var words = block.mutableSpan
    // SAFETY: all bit patterns of an integer are valid.
    var bytes = unsafe words.mutableBytes
    return reader.read(into: &bytes)
  }

  private func write(
    _ block: InlineArray<512, UInt64>, to writer: borrowing UserMemoryWriter
  ) -> Int {
    // SAFETY: integers have no padding.
    unsafe writer.write(block.span.bytes)
  }
}
