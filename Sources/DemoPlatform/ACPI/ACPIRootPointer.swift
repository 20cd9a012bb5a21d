package import TesseraBoot

/// The place of the list of tables, which the firmware's root pointer holds.
///
/// ACPI Specification 6.5, "Root System Description Pointer (RSDP)".
package struct ACPIRootPointer: Equatable, Sendable {
  /// The list of addresses of 32 bits, or of 64 bits where there is one.
  package let list: ACPITable
  package let address: UInt64

  /// The least that a root pointer has, and what one of revision 2 has.
  private static var byteCount: UInt64 { 20 }
  private static var longByteCount: UInt64 { 36 }
  /// More than any revision has.
  private static var greatestByteCount: UInt64 { 4096 }

  /// Reads and checks the root pointer at `address`.
  package init<Memory: BootMemory>(at address: UInt64, in memory: Memory) throws(ACPIError) {
    let short = ACPITableBytes(
      .rootPointer, at: address, byteCount: Self.byteCount, in: memory)
    guard try short.hasRootPointerSignature() else {
      throw ACPIError(.rootPointer, .wrongSignature(address: address))
    }
    guard try short.sum() == 0 else { throw ACPIError(.rootPointer, .wrongChecksum) }
    let shortList = UInt64(try short.word(at: 16))
    guard try short.byte(at: 15) >= 2 else {
      self.init(list: .shortList, address: shortList)
      return
    }

    let prefix = ACPITableBytes(
      .rootPointer, at: address, byteCount: Self.longByteCount, in: memory)
    let byteCount = UInt64(try prefix.word(at: 20))
    if byteCount < Self.longByteCount {
      throw ACPIError(.rootPointer, .tooShort(byteCount: byteCount))
    }
    if byteCount > Self.greatestByteCount {
      throw ACPIError(.rootPointer, .tooLong(byteCount: byteCount))
    }
    let long = ACPITableBytes(.rootPointer, at: address, byteCount: byteCount, in: memory)
    guard try long.sum() == 0 else { throw ACPIError(.rootPointer, .wrongChecksum) }
    let longList = try long.doubleWord(at: 24)
    self =
      longList == 0
      ? Self(list: .shortList, address: shortList) : Self(list: .longList, address: longList)
  }

  private init(list: ACPITable, address: UInt64) {
    self.list = list
    self.address = address
  }

  /// Searches for the root pointer where a BIOS keeps it: in the first KiB of its extended data
  /// area, and in its read-only memory.
  ///
  /// - Throws: `notFound`, or what is wrong with the last candidate.
  package init<Memory: BootMemory>(searching memory: Memory) throws(ACPIError) {
    var problem = ACPIError(.rootPointer, .notFound)
    if let area = Self.extendedDataArea(memory),
      let found = Self.first(in: area..<area + 1024, memory, &problem)
    {
      self = found
      return
    }
    guard let found = Self.first(in: 0xe_0000..<0x10_0000, memory, &problem) else { throw problem }
    self = found
  }

  /// The start of the extended data area, by the word that the BIOS keeps at 0x40e; nil if that is
  /// no address below the memory of the screen.
  private static func extendedDataArea<Memory: BootMemory>(_ memory: Memory) -> UInt64? {
    guard let low = memory.byte(at: 0x40e), let high = memory.byte(at: 0x40f) else { return nil }
    let start = UInt64(low) << 4 | UInt64(high) << 12
    return (0x500..<0xa_0000).contains(start) ? start : nil
  }

  /// The first valid root pointer in `range`; they are 16-byte aligned. Notes in `problem` what is
  /// wrong with others.
  private static func first<Memory: BootMemory>(
    in range: Range<UInt64>, _ memory: Memory, _ problem: inout ACPIError
  ) -> ACPIRootPointer? {
    var address = range.lowerBound
    while address < range.upperBound {
      do throws(ACPIError) {
        return try ACPIRootPointer(at: address, in: memory)
      } catch {
        switch error.problem {
        // No root pointer, or the end of the memory there.
        case .wrongSignature, .unreadable: break
        default: problem = error
        }
      }
      address += 16
    }
    return nil
  }
}

extension ACPITableBytes {
  /// Whether the first eight bytes are "RSD PTR ".
  fileprivate func hasRootPointerSignature() throws(ACPIError) -> Bool {
    guard try word(at: 0) == 0x2044_5352 else { return false }
    return try word(at: 4) == 0x2052_5450
  }
}

extension ACPIRootPointer {
  /// Finds the table of interrupt controllers in the list.
  ///
  /// An address in the list that cannot be read matters only if the table is not found elsewhere.
  func interruptControllers<Memory: BootMemory>(
    in memory: Memory
  ) throws(ACPIError) -> ACPITableBytes<Memory> {
    let isLong = list == .longList
    // "XSDT" and "RSDT".
    let tables = try ACPITableBytes(
      list, signature: isLong ? 0x5444_5358 : 0x5444_5352, at: address, in: memory)
    let stride: UInt64 = isLong ? 8 : 4
    var problem = ACPIError(.interruptControllers, .notFound)
    var offset = ACPITableBytes<Memory>.headerByteCount
    while offset < tables.byteCount {
      if tables.byteCount - offset < stride { throw ACPIError(list, .entryPastEnd(offset: offset)) }
      let entry = isLong ? try tables.doubleWord(at: offset) : UInt64(try tables.word(at: offset))
      offset += stride
      let candidate = ACPITableBytes(
        .interruptControllers, at: entry, byteCount: ACPITableBytes<Memory>.headerByteCount,
        in: memory)
      do throws(ACPIError) {
        guard try candidate.word(at: 0) == InterruptControllers.signature else { continue }
      } catch {
        problem = ACPIError(list, error.problem)
        continue
      }
      return try ACPITableBytes(
        .interruptControllers, signature: InterruptControllers.signature, at: entry, in: memory)
    }
    throw problem
  }
}
