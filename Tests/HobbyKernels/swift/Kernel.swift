import Tessera
import TesseraBoot

/// A kernel in Embedded Swift, with Tessera's own types: who lets go of a frame, a cursor or a
/// mapping has given it back.
enum Kernel {
  /// Where boot.S shows the first 4 GiB, and where all memory is shown from the start on.
  static var bootWindow: UInt { 0xffff_8000_0000_0000 }
  static var window: UInt { 0xffff_9000_0000_0000 }

  static func main(_ magic: UInt32, _ information: UInt32) -> Never {
    var machine = Machine()
    Machine.start()
    machine.write("swift: a kernel in Embedded Swift\n")
    do throws(Refusal) {
      try startTessera(magic, information)
      try useASpace()
      try useKernelMemory()
    } catch {
      machine.write("verdict: fail, ")
      error.write(to: &machine)
      machine.writeLine()
      Machine.powerOff(.failed)
    }
    report()
    machine.write("verdict: pass\n")
    Machine.powerOff(.passed)
  }

  private static func startTessera(_ magic: UInt32, _ address: UInt32) throws(Refusal) {
    let features = ProcessorFeatures()
    // SAFETY: nothing else runs. boot.S shows this memory there, and turned no-execute pages on.
    unsafe PhysicalMemory.setDirectMap(at: bootWindow)
    unsafe PagingMode.install(PagingMode(features, controlRegister4: Processor.controlRegister4))
    let memory = unsafe MappedBootMemory(below: PhysicalAddress(1 << 32))
    let information: MultibootInformation<MappedBootMemory>
    do throws(MultibootError) {
      information = try MultibootInformation(magic: magic, address: address, memory: memory)
    } catch { throw .loader(error) }

    let map = MemoryMap(
      information.adding(
        MemoryRegion(
          start: PhysicalAddress(first_byte_of_image()),
          end: PhysicalAddress((end_of_image() + 4095) & ~4095), kind: .kernelImage)))
    var machine = Machine()
    map.write(to: &machine, title: information.version.description)
    do throws(FrameError) {
      try takeOver(map, largestPage: features.hasOneGiBPages ? .oneGiB : .twoMiB)
    } catch { throw .memory(error) }
  }

  /// Shows all memory in a window, and gives it to Tessera.
  private static func takeOver<Source>(
    _ map: MemoryMap<Source>, largestPage: PageSize
  ) throws(FrameError) {
    var early = EarlyAllocator(map)
    // SAFETY: the tables of boot.S are in use, and show these addresses.
    let surroundings = unsafe DirectMap.Surroundings(
      window: bootWindow, below: PhysicalAddress(1 << 32),
      root: PhysicalAddress(Processor.rootRegister & ~0xfff))
    let directMap = try DirectMap.build(
      showing: map, at: UInt64(window), largestPage: largestPage, from: &early, in: surroundings)
    // SAFETY: the new tables show the kernel where it runs, and all memory in the new window.
    unsafe Processor.loadRootRegister(directMap.root.rawValue)
    unsafe PhysicalMemory.setDirectMap(at: window)
    _ = try Boot.start(on: map, early: early, processorCount: 1)
    try KernelSpace.start()
  }

  /// Maps a frame for a program, looks at it from all sides, and unmaps it.
  private static func useASpace() throws(Refusal) {
    let page = VirtualAddress(0x40_0000)..<VirtualAddress(0x40_1000)
    let address = page.lowerBound
    var machine = Machine()
    let space = try makeSpace()
    let frame = try allocateFrame()

    frame.setWord(42, at: 0)
    try change(space, page) { cursor throws(MapError) in
      var mapped: Frame<PlainMemory>? = frame.share()
      try cursor.map(&mapped, as: .userReadWrite)
    }
    space.activate()
    expect(word(at: address.rawValue) == 42, "a page shows its frame")
    expect(frame.referenceCount == 2, "a mapping owns a share of its frame")
    expect(space.translate(address)?.address == frame.address, "a page leads to its frame")
    space.writeWalk(of: address, to: &machine)

    try change(space, page) { cursor throws(MapError) in _ = try cursor.unmap(4096) }
    expect(word(at: address.rawValue) == nil, "a page that was unmapped cannot be read")
    expect(frame.referenceCount == 1 && frame.word(at: 0) == 42, "the frame is still there")
    space.writeWalk(of: address, to: &machine)
    VmSpace.deactivate()
  }

  private static func makeSpace() throws(Refusal) -> VmSpace {
    do throws(FrameError) { return try VmSpace() } catch { throw .memory(error) }
  }

  private static func allocateFrame() throws(Refusal) -> Frame<PlainMemory> {
    do throws(FrameError) {
      return try Frame(allocating: PlainMemory())
    } catch { throw .memory(error) }
  }

  /// Locks `range` and works on it. What that changed is flushed before this returns.
  private static func change(
    _ space: borrowing VmSpace, _ range: Range<VirtualAddress>,
    _ body: (inout Cursor) throws(MapError) -> Void
  ) throws(Refusal) {
    var cursor: Cursor
    do throws(RangeError) { cursor = try space.cursor(over: range) } catch { throw .range(error) }
    do throws(MapError) { try body(&cursor) } catch { throw .mapping(error) }
  }

  private static func useKernelMemory() throws(Refusal) {
    let last: UInt64
    do throws(FrameError) {
      var frames: Segment<PlainMemory>? = try Segment(allocating: 8) { _ in PlainMemory() }
      do throws(MapError) {
        let mapping = try KernelMapping(&frames)
        last = mapping.range.upperBound.rawValue - 8
        expect(word(at: last) == 0, "memory of the kernel's own is there, and zero")
        expect(word(at: last + 8) == nil, "behind it is nothing")
      } catch { throw .outOfFrames }
    } catch { throw .memory(error) }
    expect(word(at: last) == nil, "a mapping that is gone cannot be read")
  }

  private static func report() {
    FrameTable.checkInvariants { rule, _ in expect(false, rule) }
    FrameAllocator.checkInvariants { rule in expect(false, rule) }
    let statistics = FrameAllocator.statistics
    var machine = Machine()
    machine.write(decimal: statistics.freeFrameCount, grouped: true)
    machine.write(" frames are free, of ")
    machine.write(decimal: statistics.managedFrameCount, grouped: true)
    machine.writeLine()
  }

  /// The word at `address`, or nil if reading it is a page fault.
  private static func word(at address: UInt64) -> UInt64? {
    var word: UInt64 = 0
    // SAFETY: reading anything that is mapped does no harm here.
    return unsafe read_if_mapped(address, &word) ? word : nil
  }

  private static func expect(_ truth: Bool, _ what: StaticString) {
    guard !truth else { return }
    var machine = Machine()
    machine.write("verdict: fail, not so: ")
    machine.write(what)
    machine.writeLine()
    Machine.powerOff(.failed)
  }
}

/// Called by boot.S.
@c(kernel_main) @used
func kernelMain(_ magic: UInt32, _ information: UInt32) -> Never {
  Kernel.main(magic, information)
}
