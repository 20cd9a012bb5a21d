import Tessera
import TesseraBoot

/// A kernel in Embedded Swift that uses Tessera's own types. Frames, cursors and mappings are freed
/// by their destructors.
enum Kernel {
  /// Where boot.S maps the first 4 GiB.
  static var loaderBase: UInt64 { 0xffff_8000_0000_0000 }
  static var loaderEnd: PhysicalAddress { PhysicalAddress(1 << 32) }

  static func main(_ magic: UInt32, _ information: UInt32) -> Never {
    var machine = Machine()
    Machine.start()
    machine.write("swift: a kernel in Embedded Swift\n")
    do throws(TesseraError) {
      try startTessera(magic, information)
      try useASpace()
      try usePagesOneByOne()
      try useKernelMemory()
    } catch {
      machine.write("verdict: fail: ")
      error.write(to: &machine)
      machine.writeLine()
      Machine.powerOff(.failed)
    }
    report()
    machine.write("verdict: pass\n")
    Machine.powerOff(.passed)
  }

  /// Has Tessera map all memory and take it over.
  private static func startTessera(_ magic: UInt32, _ address: UInt32) throws(TesseraError) {
    // SAFETY: nothing else runs, and boot.S maps this memory there.
    unsafe PhysicalMemory.setDirectMap(at: UInt(loaderBase))
    let memory = unsafe MappedBootMemory(below: loaderEnd)
    let information = try MultibootInformation(magic: magic, address: address, memory: memory)
    let image = PhysicalAddress(first_byte_of_image())..<PhysicalAddress(end_of_image())
    // SAFETY: boot.S maps this memory, and only this kernel uses it.
    let configuration = unsafe BootConfiguration(
      regions: information, kernelImage: image,
      directMap: .build(DirectMapPlan(loaderBase: loaderBase, loaderEnd: loaderEnd)))
    var machine = Machine()
    configuration.memoryMap.write(to: &machine, title: information.version.description)
    try Boot.start(configuration)
  }

  /// Maps a frame in a user space, reads it through the mapping, and unmaps it.
  private static func useASpace() throws(TesseraError) {
    let page = VirtualAddress(0x40_0000)..<VirtualAddress(0x40_1000)
    let address = page.lowerBound
    var machine = Machine()
    let space = try VmSpace()
    let frame = try Frame(allocating: PlainMemory())
    frame.setWord(42, at: 0)
    try space.withCursor(over: page) { cursor throws(TesseraError) in
      var mapped: Frame<PlainMemory>? = frame.share()
      try cursor.map(&mapped, as: .userReadWrite)
    }
    space.activate()
    expect(word(at: address.rawValue) == 42, "a mapped page reads its frame")
    expect(frame.referenceCount == 2, "a mapping owns a reference to its frame")
    expect(space.translate(address)?.address == frame.address, "a page translates to its frame")
    space.writeWalk(of: address, to: &machine)

    try space.withCursor(over: page) { cursor throws(TesseraError) in try cursor.unmap(4096) }
    expect(word(at: address.rawValue) == nil, "reading an unmapped page faults")
    expect(frame.referenceCount == 1 && frame.word(at: 0) == 42, "the frame outlives its mapping")
    space.writeWalk(of: address, to: &machine)
    VmSpace.deactivate()
  }

  /// Maps, changes and unmaps single pages, and reads them before and after each flush.
  private static func usePagesOneByOne() throws(TesseraError) {
    let range = VirtualAddress(0x40_0000)..<VirtualAddress(0x80_0000)
    let (first, large) = (range.lowerBound, VirtualAddress(0x60_0000))
    let space = try VmSpace()
    space.activate()
    let free = FrameAllocator.statistics.freeFrameCount
    try space.withPageMapper(over: range) { mapper throws(TesseraError) in
      try mapper.map(first, as: .userReadWrite).flush()
      try mapper.map(large, of: .twoMiB, as: .userReadWrite).flush()
      expect(word(at: first.rawValue) == 0, "a new page is zeros")
      expect(word(at: large.rawValue + 0x1f_fff8) == 0, "a large page is mapped to its end")
      var batch = mapper.batch()
      batch.consume(try mapper.unmap(first))
      batch.consume(try mapper.remap(large, as: PageProperty(.none, isUser: true)))
      batch.flush()
      expect(word(at: first.rawValue) == nil, "reading a page that was flushed faults")
      expect(word(at: large.rawValue) == nil, "reading a page without rights faults")
      expect(FrameAllocator.statistics.freeFrameCount < free, "nothing is freed before the end")
      try mapper.unmap(large).postpone()
    }
    expect(word(at: large.rawValue) == nil, "what was postponed is flushed at the end")
    expect(FrameAllocator.statistics.freeFrameCount + 8 > free, "frames are free again")
    VmSpace.deactivate()
  }

  private static func useKernelMemory() throws(TesseraError) {
    let last: UInt64
    do {
      var frames: Segment<PlainMemory>? = try Segment(allocating: 8) { _ in PlainMemory() }
      let mapping = try KernelMapping(&frames)
      last = mapping.range.upperBound.rawValue - 8
      expect(word(at: last) == 0, "new kernel memory is mapped and zero")
      expect(word(at: last + 8) == nil, "nothing is mapped after it")
    }
    expect(word(at: last) == nil, "reading a destroyed mapping faults")
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
    // SAFETY: reading mapped memory has no side effects here.
    return unsafe read_if_mapped(address, &word) ? word : nil
  }

  private static func expect(_ truth: Bool, _ what: StaticString) {
    guard !truth else { return }
    var machine = Machine()
    machine.write("verdict: fail: not so: ")
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
