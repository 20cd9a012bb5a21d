import Tessera
import TesseraBoot

/// A kernel in Embedded Swift whose code has classes, closures, arrays, strings, dictionaries and
/// sets. They are objects of Tessera's heap.
enum Kernel {
  static func main(_ magic: UInt32, _ information: UInt32) -> Never {
    var machine = Machine()
    Machine.start()
    start_x87()
    machine.write("swift-classes: a kernel in Embedded Swift with classes and collections\n")
    do throws(TesseraError) {
      try startTessera(magic, information)
    } catch {
      machine.write("verdict: fail: ")
      error.write(to: &machine)
      machine.writeLine()
      Machine.powerOff(.failed)
    }
    useObjects()
    machine.write("verdict: pass\n")
    Machine.powerOff(.passed)
  }

  /// Has Tessera take over all memory that is mapped where it is: Swift keeps bits of its own in
  /// the upper byte of an object's address, which is not zero in the upper half.
  private static func startTessera(_ magic: UInt32, _ address: UInt32) throws(TesseraError) {
    let base = direct_map()
    let end = PhysicalAddress(1 << 32)
    // SAFETY: nothing else runs, and boot.S maps this memory there.
    unsafe PhysicalMemory.setDirectMap(at: UInt(base))
    let memory = unsafe MappedBootMemory(below: end)
    let information = try MultibootInformation(magic: magic, address: address, memory: memory)
    let image = PhysicalAddress(first_byte_of_image())..<PhysicalAddress(end_of_image())
    var directMap = LoaderDirectMap(base: base, end: end)
    directMap.kernelLowEnd = VirtualAddress(1 << 32)
    // SAFETY: boot.S maps this memory, and only this kernel uses it.
    let configuration = unsafe BootConfiguration(
      regions: information, kernelImage: image, directMap: .loader(directMap))
    try Boot.start(configuration)
  }

  /// Does everything twice: the first time, the heap takes a frame for its records.
  private static func useObjects() {
    Collections.useAll()
    let before = report("before")
    Collections.useAll()
    if leaks_an_object() {
      let partition = Partition(of: Disk(name: "leak"), from: 0)
      partition.next = partition
    }
    if runs_out_of_memory() {
      var disks: [Disk] = []
      while true { disks.append(Disk(name: "one more")) }
    }
    let after = report("after")
    expect(before.objectBytes == 0 && after.objectBytes == 0, "all objects are freed")
    expect(before.freeFrames == after.freeFrames, "the heap has given its frames back")
    // SAFETY: one processor.
    expect(unsafe Device.count == 0, "all devices are destroyed")
    FrameTable.checkInvariants { rule, _ in expect(false, rule) }
    FrameAllocator.checkInvariants { rule in expect(false, rule) }
  }

  /// Prints and returns how many frames are free, once the heap has freed those without objects,
  /// and how many bytes its objects have.
  private static func report(_ when: StaticString) -> (freeFrames: UInt64, objectBytes: UInt64) {
    Heap.trim()
    let frames = FrameAllocator.statistics.freeFrameCount
    let bytes = Heap.statistics.usedByteCount
    var machine = Machine()
    machine.write(decimal: frames, grouped: true)
    machine.write(" frames are free ")
    machine.write(when)
    machine.write(", and ")
    machine.write(decimal: bytes, grouped: true)
    machine.write(" bytes are objects\n")
    return (frames, bytes)
  }

  static func expect(_ truth: Bool, _ what: StaticString) {
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
