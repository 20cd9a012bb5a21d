package import TesseraBoot
internal import TesseraHardware

/// The local interrupt controllers (APICs) of the machine's processors, as the firmware lists them.
///
/// ACPI Specification 6.5, "Multiple APIC Description Table (MADT)". All of the table is checked
/// before any of it counts.
package struct InterruptControllers {
  /// "APIC", little-endian.
  static var signature: UInt32 { 0x4349_5041 }

  /// The number of processors that the list holds at most.
  package static var capacity: Int { 64 }

  /// The physical address of the registers, at which each processor finds those of its own.
  package private(set) var registers: UInt64 = 0
  /// The number of processors that are listed.
  package private(set) var count = 0
  /// The number of processors that can be used, but are not listed because the list is full.
  package private(set) var leftOutCount = 0
  /// The number of processors that are off, and could be added to a running machine.
  package private(set) var offCount = 0
  private var identifiers = [64 of UInt32](repeating: 0)

  /// Finds the firmware's tables and reads the list. The root pointer is at `rootPointer` if the
  /// loader knows that, and is searched for otherwise.
  ///
  /// - Throws: What is wrong with which table.
  package init<Memory: BootMemory>(
    in memory: Memory, rootPointer: UInt64?
  ) throws(ACPIError) {
    let root =
      if let rootPointer {
        try ACPIRootPointer(at: rootPointer, in: memory)
      } else {
        try ACPIRootPointer(searching: memory)
      }
    try self.init(table: root.interruptControllers(in: memory))
  }

  /// The APIC id of the processor at `index`, in `0..<count`.
  package subscript(index: Int) -> UInt32 {
    require(index >= 0 && index < count, "the index of a processor is out of range")
    return identifiers[index]
  }

  private init<Memory: BootMemory>(table: ACPITableBytes<Memory>) throws(ACPIError) {
    let entries = ACPITableBytes<Memory>.headerByteCount + 8
    if table.byteCount < entries {
      throw ACPIError(table.table, .tooShort(byteCount: table.byteCount))
    }
    registers = UInt64(try table.word(at: entries - 8))
    var offset = entries
    while offset < table.byteCount {
      if table.byteCount - offset < 2 {
        throw ACPIError(table.table, .entryPastEnd(offset: offset))
      }
      let type = try table.byte(at: offset)
      let byteCount = UInt64(try table.byte(at: offset + 1))
      if byteCount < Self.leastByteCount(ofType: type) {
        throw ACPIError(table.table, .entryTooShort(offset: offset))
      }
      if byteCount > table.byteCount - offset {
        throw ACPIError(table.table, .entryPastEnd(offset: offset))
      }
      try add(type, at: offset, of: table)
      offset += byteCount
    }
    if count == 0 { throw ACPIError(table.table, .noProcessor) }
  }

  /// The types of entries that are read: a local APIC, the address of its registers where 32 bits
  /// are too few, and a local x2APIC.
  private static var localAPIC: UInt8 { 0 }
  private static var addressOverride: UInt8 { 5 }
  private static var localX2APIC: UInt8 { 9 }

  private static func leastByteCount(ofType type: UInt8) -> UInt64 {
    switch type {
    case localAPIC: 8
    case addressOverride: 12
    case localX2APIC: 16
    default: 2
    }
  }

  private mutating func add<Memory: BootMemory>(
    _ type: UInt8, at offset: UInt64, of table: ACPITableBytes<Memory>
  ) throws(ACPIError) {
    switch type {
    case Self.localAPIC:
      let id = try table.byte(at: offset + 3)
      // This one addresses all processors.
      if id != 0xff { add(UInt32(id), flags: try table.word(at: offset + 4)) }
    case Self.addressOverride: registers = try table.doubleWord(at: offset + 4)
    case Self.localX2APIC:
      let id = try table.word(at: offset + 4)
      if id != 0xffff_ffff { add(id, flags: try table.word(at: offset + 8)) }
    default: break
    }
  }

  /// Adds the processor with the APIC `id`, unless it is there already: a firmware may list one in
  /// both forms.
  ///
  /// Bit 0 of `flags` says that the processor can be used, and bit 1 that it is off and can be
  /// added.
  private mutating func add(_ id: UInt32, flags: UInt32) {
    guard flags & 1 != 0 else {
      offCount += flags & 2 != 0 ? 1 : 0
      return
    }
    for index in 0..<count where identifiers[index] == id { return }
    guard count < Self.capacity else {
      leftOutCount += 1
      return
    }
    identifiers[count] = id
    count += 1
  }
}
