internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// The demonstration of address spaces: makes two programs, switches between them, dumps their page
/// tables, forks, maps kernel memory and a device, and provokes faults.
struct SpaceDemonstration {
  var console = Console()
  var checks: Checks
  /// Whether the dump is repeated for programs, with all frames.
  private let dumpsJSON: Bool

  init(_ checks: Checks, dumpsJSON: Bool) {
    self.checks = checks
    self.dumpsJSON = dumpsJSON
  }

  /// Runs all steps. Every frame is free again afterwards.
  mutating func run() {
    NodePool.drain()
    FrameAllocator.drainCache()
    let before = FrameAllocator.statistics
    do throws(TesseraError) {
      try demonstrate(
        Program(marker: 0x1111_1111_1111_1111), Program(marker: 0x2222_2222_2222_2222))
      try mapForKernel()
      try compareLeafSizes()
    } catch {
      VmSpace.deactivate()
      checks.check(false, "no step of the demonstration of spaces fails")
    }
    NodePool.drain()
    FrameAllocator.drainCache()
    checks.check(
      FrameAllocator.statistics.freeFrameCount == before.freeFrameCount,
      "spaces free every frame")
  }

  private mutating func demonstrate(
    _ first: consuming Program, _ second: consuming Program
  ) throws(TesseraError) {
    writeAndSwitch(first, second)
    switchOften(first, second)
    copyUserMemory(first, while: second)
    try fork(first)
    dumpTables(first)
    var faults = FaultDemonstration(checks)
    faults.run(in: first)
    checks = faults.checks
    VmSpace.deactivate()
  }

  mutating func begin(_ step: StaticString) {
    console.write("tessera: ")
    console.write(step, paddedTo: 44)
  }

  mutating func end(_ count: UInt64, _ words: StaticString) {
    console.write(decimal: count, width: 9, grouped: true)
    console.write(words)
    console.writeLine()
  }
}

extension SpaceDemonstration {
  /// Writes to both programs at the same addresses, and checks what each of them reads.
  private mutating func writeAndSwitch(_ first: borrowing Program, _ second: borrowing Program) {
    begin("write to the same addresses of two spaces")
    var count: UInt64 = 0
    for turn in 0..<2 as Range<UInt64> {
      writeEverywhere(in: first, turn, &count)
      writeEverywhere(in: second, turn, &count)
      checkEverywhere(in: first, turn, &count)
      checkEverywhere(in: second, turn, &count)
    }
    end(count, " pages written and read")
  }

  /// Calls `body` with the address of each writable page.
  private func forEachWritablePage(_ body: (UInt64) -> Void) {
    func visit(_ pages: Pages) {
      for index in 0..<pages.byteCount / 4096 { body(pages.start + index * 4096) }
    }
    visit(Program.data)
    visit(Program.stack)
    visit(Program.large)
  }

  private mutating func writeEverywhere(
    in program: borrowing Program, _ turn: UInt64, _ count: inout UInt64
  ) {
    program.space.activate()
    var good = true
    var pages: UInt64 = 0
    let marker = program.marker
    forEachWritablePage { address in
      let old = UserAccess.read(address + turn * 8)
      // SAFETY: the memory is the program's, and nothing else uses it.
      let isWritten = unsafe UserAccess.write(marker ^ address, to: address + turn * 8)
      good = good && old == marker && isWritten
      pages += 1
    }
    checks.check(good, "a program reads and writes its own data")
    count += pages
  }

  private mutating func checkEverywhere(
    in program: borrowing Program, _ turn: UInt64, _ count: inout UInt64
  ) {
    program.space.activate()
    var good = true
    forEachWritablePage { address in
      let expected = program.marker ^ address
      good = good && UserAccess.read(address + turn * 8) == expected
      good = good && program.content(at: address + turn * 8) == expected
      good = good && UserAccess.read(address + 2048) == program.marker
    }
    checks.check(good, "written words are read back, also through the direct map")
    let property = program.space.translate(VirtualAddress(Program.data.start))?.property
    checks.check(
      property?.isAccessed == true && property?.isDirty == true,
      "the processor sets the accessed and dirty bits of a written page")
  }

  private mutating func switchOften(_ first: borrowing Program, _ second: borrowing Program) {
    begin("switch between the two spaces")
    let turns: UInt64 = 1000
    var good = true
    let keptBefore = FlushStatistics.keptContextCount
    let start = Processor.timestamp
    for _ in 0..<turns {
      first.space.activate()
      good = good && UserAccess.read(Program.constants.start) == first.marker
      second.space.activate()
      good = good && UserAccess.read(Program.constants.start) == second.marker
    }
    let cycles = Processor.timestamp - start
    checks.check(good, "each space maps its own memory after every switch")
    checks.check(
      first.space.activeProcessorCount == 0 && second.space.activeProcessorCount == 1,
      "a space counts the processors it is active on")
    console.write(decimal: 2 * turns, width: 9, grouped: true)
    console.write(" loads of CR3, ")
    console.write(decimal: cycles / (2 * turns), grouped: true)
    console.write(" cycles each, including a read; ")
    console.write(decimal: FlushStatistics.keptContextCount - keptBefore, grouped: true)
    console.write(" without a flush\n")
  }

  /// Copies a space as a fork does, and checks that neither can write to the shared pages.
  private mutating func fork(_ parent: borrowing Program) throws(TesseraError) {
    begin("copy a space for a fork")
    let child = try VmSpace()
    try copy(parent, to: child)
  }

  private mutating func copy(
    _ parent: borrowing Program, to child: consuming VmSpace
  ) throws(TesseraError) {
    let whole = Pages(at: Program.code.start, 0x1000)
    parent.space.activate()
    try parent.space.withCursor(over: whole.range) { source throws(TesseraError) in
      try child.withCursor(over: whole.range) { cursor throws(TesseraError) in
        try cursor.copy(from: &source, whole.byteCount)
      }
    }
    let place = Program.data.start
    // SAFETY: if the write succeeded, the memory would be the program's.
    let parentWrites = unsafe UserAccess.write(0, to: place)
    child.activate()
    // SAFETY: if the write succeeded, the memory would be the program's.
    let childWrites = unsafe UserAccess.write(0, to: place)
    checks.check(
      !parentWrites && !childWrites, "after a fork neither space can write to shared pages")
    checks.check(
      UserAccess.read(place) == parent.content(at: place), "a forked space maps the same memory")
    checks.check(
      child.translate(VirtualAddress(place))?.address
        == parent.space.translate(VirtualAddress(place))?.address,
      "a fork shares frames")
    VmSpace.deactivate()
    end(12, " pages shared, read-only in both")
    _ = consume child
    try parent.space.withCursor(over: Program.data.range) { cursor throws(TesseraError) in
      try cursor.protect(Program.data.byteCount, to: .readWrite)
    }
  }

  private mutating func dumpTables(_ program: borrowing Program) {
    console.write("tessera: mappings of the first space, root ")
    console.write(hexadecimal: program.space.rootAddress.rawValue)
    console.writeLine()
    program.space.dump(to: &console)
    console.write("tessera: mappings of the kernel half\n")
    KernelSpace.dump(to: &console)
    console.write("tessera: page-table walks to three addresses\n")
    program.space.writeWalk(of: VirtualAddress(Program.data.start + 0xabc), to: &console)
    program.space.writeWalk(of: VirtualAddress(Program.stackReserve.start), to: &console)
    program.space.writeWalk(of: VirtualAddress(KernelImage.text.lowerBound), to: &console)
    guard dumpsJSON else { return }
    program.space.dumpJSON(to: &console)
    KernelSpace.dumpJSON(to: &console)
    FrameTable.dumpJSON(to: &console)
  }
}
