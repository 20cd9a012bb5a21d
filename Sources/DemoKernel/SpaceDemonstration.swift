internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// What the demo does with address spaces: makes two programs, runs on one and the other, shows
/// their tables, forks, maps memory and a device for the kernel, and provokes faults.
struct SpaceDemonstration {
  var console = Console()
  var checks: Checks

  init(_ checks: Checks) { self.checks = checks }

  /// Runs all steps. Everything is given back in the end.
  mutating func run() {
    NodePool.drain()
    FrameAllocator.drainCache()
    let before = FrameAllocator.statistics
    do throws(Refusal) {
      try show(Program(marker: 0x1111_1111_1111_1111), Program(marker: 0x2222_2222_2222_2222))
      try mapForKernel()
      try compareLeafSizes()
    } catch {
      VmSpace.deactivate()
      checks.check(false, "no step of the demonstration of spaces is refused")
    }
    NodePool.drain()
    FrameAllocator.drainCache()
    checks.check(
      FrameAllocator.statistics.freeFrameCount == before.freeFrameCount,
      "spaces give back every frame")
  }

  private mutating func show(
    _ first: consuming Program, _ second: consuming Program
  ) throws(Refusal) {
    writeAndSwitch(first, second)
    switchOften(first, second)
    copyUserMemory(first, while: second)
    try fork(first)
    showTables(first)
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
  /// Writes to both programs through their own addresses, and looks from both sides what is there.
  private mutating func writeAndSwitch(_ first: borrowing Program, _ second: borrowing Program) {
    begin("two spaces, the same addresses in both")
    var count: UInt64 = 0
    for turn in 0..<2 as Range<UInt64> {
      writeEverywhere(in: first, turn, &count)
      writeEverywhere(in: second, turn, &count)
      checkEverywhere(in: first, turn, &count)
      checkEverywhere(in: second, turn, &count)
    }
    end(count, " pages written and read")
  }

  /// Calls `body` with each page that a program can write.
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
      // SAFETY: the memory is the program's, and for this.
      let isWritten = unsafe UserAccess.write(marker ^ address, to: address + turn * 8)
      good = good && old == marker && isWritten
      pages += 1
    }
    checks.check(good, "a program finds its own data and can write them")
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
    checks.check(good, "what was written is there, also through the window, and nothing else")
    let property = program.space.translate(VirtualAddress(Program.data.start))?.property
    checks.check(
      property?.isAccessed == true && property?.isDirty == true,
      "the processor marks a page that was written as accessed and dirty")
  }

  private mutating func switchOften(_ first: borrowing Program, _ second: borrowing Program) {
    begin("switch between them")
    let turns: UInt64 = 1000
    var good = true
    let start = Processor.timestamp
    for _ in 0..<turns {
      first.space.activate()
      good = good && UserAccess.read(Program.constants.start) == first.marker
      second.space.activate()
      good = good && UserAccess.read(Program.constants.start) == second.marker
    }
    let cycles = Processor.timestamp - start
    checks.check(good, "each space shows its own memory after every switch")
    checks.check(
      first.space.activeProcessorCount == 0 && second.space.activeProcessorCount == 1,
      "a space knows on how many processors it is active")
    console.write(decimal: 2 * turns, width: 9, grouped: true)
    console.write(" loads of CR3, ")
    console.write(decimal: cycles / (2 * turns), grouped: true)
    console.write(" cycles each, with a read\n")
  }

  /// Copies a program as a fork does, and looks that neither can write what both now share.
  private mutating func fork(_ parent: borrowing Program) throws(Refusal) {
    begin("copy a space for a fork")
    let child: VmSpace
    do throws(FrameError) { child = try VmSpace() } catch { throw .frame(error) }
    try copy(parent, to: child)
  }

  private mutating func copy(
    _ parent: borrowing Program, to child: consuming VmSpace
  ) throws(Refusal) {
    let whole = Pages(at: Program.code.start, 0x1000)
    parent.space.activate()
    var failure: Refusal?
    try whole.change(in: parent.space) { source throws(MapError) in
      do throws(Refusal) {
        try whole.change(in: child) { cursor throws(MapError) in
          try cursor.copy(from: &source, whole.byteCount)
        }
      } catch { failure = error }
    }
    if let failure { throw failure }
    let place = Program.data.start
    // SAFETY: should the write succeed, the memory is the program's.
    let parentWrites = unsafe UserAccess.write(0, to: place)
    child.activate()
    // SAFETY: as above.
    let childWrites = unsafe UserAccess.write(0, to: place)
    checks.check(!parentWrites && !childWrites, "after a fork neither can write what both share")
    checks.check(
      UserAccess.read(place) == parent.content(at: place), "a copy shows the same memory")
    checks.check(
      child.translate(VirtualAddress(place))?.address
        == parent.space.translate(VirtualAddress(place))?.address,
      "a fork shares frames and copies no byte")
    VmSpace.deactivate()
    end(12, " pages shared, read-only in both")
    _ = consume child
    try Program.data.change(in: parent.space) { cursor throws(MapError) in
      try cursor.protect(Program.data.byteCount, to: .readWrite)
    }
  }

  private mutating func showTables(_ program: borrowing Program) {
    console.write("tessera: what the first space maps, from its tables at ")
    console.write(hexadecimal: program.space.rootAddress.rawValue)
    console.writeLine()
    program.space.dump(to: &console)
    console.write("tessera: what the kernel's half maps\n")
    KernelSpace.dump(to: &console)
    console.write("tessera: how three addresses are translated\n")
    program.space.writeWalk(of: VirtualAddress(Program.data.start + 0xabc), to: &console)
    program.space.writeWalk(of: VirtualAddress(Program.stackReserve.start), to: &console)
    program.space.writeWalk(of: VirtualAddress(KernelImage.text.lowerBound), to: &console)
  }
}
