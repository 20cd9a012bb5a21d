import CTessera
import SimulatedMachine
import Synchronization
import TesseraHardware

/// Page tables that are written word by word, without the library, on a machine of 8 MiB.
///
/// Frames are identified by number. The root is in frame 1, and a chain of tables leads from it
/// through frames 2 and 3 to the table of level 1 in frame 4. Frames above 7 are filled with their
/// own number.
struct HandMadeTables {
  let machine: SimulatedMachine
  var mmu: SimulatedMMU { machine.mmu }

  static let present: UInt64 = 1
  static let writable: UInt64 = 2
  static let user: UInt64 = 4
  static let accessed: UInt64 = 0x20
  static let dirty: UInt64 = 0x40
  static let big: UInt64 = 0x80
  static let global: UInt64 = 0x100
  static let noExecute: UInt64 = 1 << 63
  /// Present, with all rights.
  static let open: UInt64 = 7

  /// The first address that the table in frame 4 translates: index 1 of the root, 2 and 3 below.
  static let start: UInt64 = 1 << 39 | 2 << 30 | 3 << 21
  static let root = 1
  static let middle = 3
  static let leaf = 4

  /// Creates a machine with the chain of tables, loaded on each processor. Frame 4 is empty.
  init(processorCount: Int = 1) {
    machine = SimulatedMachine(frameCount: 2048, reserved: 2048, processorCount: processorCount)
    for frame in 8..<2048 { fill(frame, with: UInt64(frame)) }
    _ = mmu
    fillChain()
    for number in 0..<processorCount { run(number) { hw_write_cr3(1 << 12) } }
  }

  /// Uses an existing machine. Writes no tables and attaches no MMU.
  init(adopting machine: SimulatedMachine) { self.machine = machine }

  /// Writes the chain of tables.
  func fillChain() {
    for frame in 0..<8 { fill(frame, with: 0) }
    set(Self.open | 2 << 12, 1, of: 1)
    set(Self.open | 3 << 12, 2, of: 2)
    set(Self.open | 4 << 12, 3, of: 3)
  }

  /// Returns the address of the page that entry `index` of frame 4 translates.
  static func page(_ index: Int) -> UInt64 { start + UInt64(index) * 4096 }

  func fill(_ frame: Int, with word: UInt64) {
    let words = pointer(frame)
    for index in 0..<512 { words[index] = word }
  }

  /// Stores `word` in a table and, if `isAnnounced`, notifies the machine as the library does.
  func set(_ word: UInt64, _ index: Int, of frame: Int, isAnnounced: Bool = true) {
    let old = pointer(frame)[index]
    pointer(frame)[index] = word
    if isAnnounced { hw_note_entry_write(UInt64(frame) << 12 + UInt64(index) * 8, old, word) }
  }

  /// Maps page `index` to a frame, by default with all rights.
  func map(_ index: Int, to frame: Int, _ bits: UInt64 = open) {
    set(bits | UInt64(frame) << 12, index, of: Self.leaf)
  }

  func unmap(_ index: Int) { set(0, index, of: Self.leaf) }

  func entry(_ index: Int, of frame: Int) -> UInt64 { pointer(frame)[index] }

  /// Reads the first word of a page in user mode on processor `number`.
  func read(_ index: Int, on number: Int = 0) throws(PageFault) -> UInt64 {
    try mmu.read(UInt64.self, at: Self.page(index), on: number)
  }

  func write(_ value: UInt64, _ index: Int, on number: Int = 0) throws(PageFault) {
    try mmu.write(value, at: Self.page(index), on: number)
  }

  /// Runs `body` on processor `number`.
  func run(_ number: Int, _ body: () -> Void) {
    asProcessor(number, body)
  }

  /// Executes INVLPG for page `index`.
  func invalidate(_ index: Int, on number: Int = 0) {
    run(number) { hw_invalidate_page(Self.page(index)) }
  }

  func free(_ frame: Int, count: Int = 1) {
    hw_note_frame_free(UInt64(frame) << 12, UInt64(count) << 12)
  }

  /// Atomically stores `word` at the physical address `entry`, and notifies the machine.
  static func exchange(_ word: UInt64, at entry: UInt64) {
    let pointer = PhysicalMemory.pointer(to: PhysicalAddress(entry))
    // Ordering: acquiring and releasing, like the library's exchange of an entry; pairs with the
    // loads of a walk.
    let old = pointer.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.exchange(
      word, ordering: .acquiringAndReleasing)
    hw_note_entry_write(entry, old, word)
  }

  private func pointer(_ frame: Int) -> UnsafeMutablePointer<UInt64> {
    PhysicalMemory.pointer(to: PhysicalAddress(UInt64(frame) << 12))
      .assumingMemoryBound(to: UInt64.self)
  }
}
