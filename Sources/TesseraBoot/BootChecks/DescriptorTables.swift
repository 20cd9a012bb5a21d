internal import TesseraHardware

/// The contents of the processor's GDT and IDT, as far as rights to pages affect them.
struct DescriptorTables {
  private var tables: RunningTables
  private let linear: KeptAddresses

  /// The tables are read through the linear mapping of `tables` at addresses in `linear`.
  init(_ tables: RunningTables, linear: KeptAddresses) {
    self.tables = tables
    self.linear = linear
  }

  /// Whether the processor writes the GDT when it uses it: it marks a segment as accessed when it
  /// loads it, and a task as busy.
  ///
  /// Intel SDM Vol. 3A, "Segment Descriptors" and "TSS Descriptor": bit 47 is P, bit 44 S, and the
  /// lowest bit of the type, 40, says that a segment was accessed; 9 is an available TSS.
  var writesSegmentTable: Bool {
    @inline(never) mutating get {
      let table = Processor.segmentTable
      var offset: UInt64 = 8
      while offset + 7 <= UInt64(table.limit) {
        if let word = tables.word(at: table.base &+ offset, mappedAt: linear) {
          let isPresent = word >> 47 & 1 != 0
          let isSegment = word >> 44 & 1 != 0
          let isUnmarked = isSegment ? word >> 40 & 1 == 0 : word >> 40 & 0xf == 9
          if isPresent && isUnmarked { return true }
        }
        offset += 8
      }
      return false
    }
  }

  /// Whether a gate of the IDT leads into `range`, or out of it if not `leading` there.
  ///
  /// Intel SDM Vol. 3A, "64-Bit Mode IDT".
  @inline(never)
  mutating func hasGate(leading: Bool, to range: Range<UInt64>) -> Bool {
    let table = Processor.interruptTable
    var offset: UInt64 = 0
    while offset + 15 <= UInt64(table.limit), offset < 256 * 16 {
      let place = table.base &+ offset
      offset += 16
      guard let low = tables.word(at: place, mappedAt: linear), low >> 40 & 0x9e == 0x8e,
        let high = tables.word(at: place &+ 8, mappedAt: linear)
      else { continue }
      let handler = low & 0xffff | low >> 32 & 0xffff_0000 | high << 32
      if range.contains(handler) == leading { return true }
    }
    return false
  }
}
