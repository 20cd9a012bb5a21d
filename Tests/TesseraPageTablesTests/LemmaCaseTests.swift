import Foundation
import SimulatedMachine
import TesseraFrames
import TesseraHardware
import TestSupport
import Testing

@testable import TesseraPageTables

extension OnSimulatedMachine {
  /// The functions of the library about which `Tests/Lemmas` has proofs, for the values in
  /// `cases.txt` there, whose results a solver has computed from the functions in the proofs. So
  /// the proofs are about what the library does.
  @Suite("Lemma cases") struct LemmaCaseTests {
    let machine = SimulatedMachine(frameCount: 4)

    @Test func `functions have the results that the lemmas are proved of`() throws {
      AddressSpaceLayout.start()
      let text = try String(contentsOf: Self.file, encoding: .utf8)
      var tally = Tally()
      var names: Set<Substring> = []
      for line in text.split(separator: "\n") {
        let words = line.split(separator: " ")
        let numbers = words.dropFirst().filter { $0 != "=" }.compactMap { UInt64($0, radix: 16) }
        try #require(words.count == numbers.count + 2 && numbers.count > 1, "\(line)")
        let result = try Self.result(of: words[0], numbers.dropLast())
        let isEqual = try #require(result, "no function is called \(words[0])") == numbers.last
        tally.claim(isEqual, "\(line), not \(String(result ?? 0, radix: 16))")
        names.insert(words[0])
      }
      #expect(names.count == 39)
      tally.expectAll(atLeast: 2_000)
    }

    private static let file = URL(filePath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Lemmas/cases.txt")

    /// The result of the function `name` of the arithmetic in `Tests/Lemmas`, as the library
    /// computes it; nil if there is no such function.
    private static func result(of name: Substring, _ values: [UInt64]) throws -> UInt64? {
      try address(name, values) ?? level(name, values) ?? leaf(name, values) ?? kind(name, values)
        ?? count(name, values)
    }
  }
}

extension OnSimulatedMachine.LemmaCaseTests {
  private static func address(_ name: Substring, _ values: [UInt64]) -> UInt64? {
    let address = VirtualAddress(values[0])
    // For functions of physical addresses alone.
    let physical = PhysicalAddress(exactly: values[0]) ?? .zero
    switch name {
    case "alignedDown":
      let down = address.alignedDown(to: values[1]).rawValue
      guard physical.rawValue == values[0] else { return down }
      return down == physical.alignedDown(to: values[1]).rawValue ? down : ~down
    case "isAligned": return number(address.isAligned(to: values[1]))
    case "alignedUp": return physical.alignedUp(to: values[1]).rawValue
    case "pageCount": return physical.alignedUp(to: PageSize.fourKiB.byteCount).frameNumber
    case "isVirtualSum": return number(address.advanced(byChecked: values[1]) != nil)
    case "isPhysicalSum": return number(physical.advanced(byChecked: values[1]) != nil)
    case "isCanonical": return number(address.isCanonical(in: mode(levels: values[1])))
    case "isUserRange":
      guard let end = address.advanced(byChecked: values[1]) else { return 0 }
      return number(AddressSpaceLayout.isUser(address..<end))
    default: return nil
    }
  }

  private static func level(_ name: Substring, _ values: [UInt64]) -> UInt64? {
    switch name {
    case "lowerHalfEnd": return mode(levels: values[0]).lowerHalfEnd.rawValue
    case "shift": return PagingLevel(Int(values[0])).shift
    case "span": return PagingLevel(Int(values[0])).span
    case "tableSpan": return PagingLevel(Int(values[0])).tableSpan
    case "index":
      return UInt64(VirtualAddress(values[0]).index(at: PagingLevel(Int(values[1]))))
    case "byteCount": return size(values[0]).byteCount
    default: return nil
    }
  }

  private static func leaf(_ name: Substring, _ values: [UInt64]) -> UInt64? {
    let entry = PageTableEntry(rawValue: values[0])
    switch name {
    case "inversion": return entry.inversion
    case "leafAddress": return entry.leafAddress(size: size(values[1])).rawValue
    case "attributeIndex": return UInt64(entry.attributeIndex(size: size(values[1])))
    case "property": return entry.property(size: size(values[1])).bits
    case "leaf":
      return PageTableEntry.leaf(
        at: PhysicalAddress(values[1]), property: PageProperty(entryBits: values[0]),
        size: size(values[2]), ownsFrame: values[3] == 1,
        mode: PagingMode(hasNoExecute: values[4] == 1)
      ).rawValue
    case "part":
      let whole = size(values[1])
      let part = size(values[1] - 1)
      let start = entry.leafAddress(size: whole).rawValue
      return LeafTemplate(like: entry, whole, newSize: part)
        .entry(at: PhysicalAddress(unchecked: start + values[2] * part.byteCount)).rawValue
    case "violatesReservedBits":
      let mode = PagingMode(
        physicalAddressWidth: Int(values[2]), hasNoExecute: values[3] == 1)
      return number(entry.violatesReservedBits(at: PagingLevel(Int(values[1])), mode: mode))
    default: return nil
    }
  }

  private static func kind(_ name: Substring, _ values: [UInt64]) -> UInt64? {
    let entry = PageTableEntry(rawValue: values[0])
    switch name {
    case "table":
      return PageTableEntry.table(at: PhysicalAddress(values[0]), isUser: values[1] == 1).rawValue
    case "status": return PageTableEntry.status(UInt32(values[0])).rawValue
    case "payload": return entry.status.map(UInt64.init)
    case "demandZero":
      return PageTableEntry.demandZero(PageProperty(entryBits: values[0])).rawValue
    case "pending":
      let property = PageProperty(entryBits: values[1])
      return PageTableEntry.pending(UInt32(values[0]), property).rawValue
    case "statusProperty":
      switch entry.vacantContent {
      case .demandZero(let property), .pending(_, let property): return property.bits
      default: return nil
      }
    case "isStatus": return number(entry.isStatus)
    case "isTable": return number(entry.isTable)
    case "isOwnTable": return number(entry.isOwnTable)
    case "isLarge": return number(entry.isLarge(at: PagingLevel(Int(values[1]))))
    case "leadsToTable": return number(entry.leadsToTable(at: PagingLevel(Int(values[1]))))
    case "resizing": return entry.resizing.rawValue
    case "settled": return entry.settled.rawValue
    default: return nil
    }
  }

  /// Of a reference count, in the slot of a frame.
  private static func count(_ name: Substring, _ values: [UInt64]) throws -> UInt64? {
    let frame = try Frame(allocating: PlainMemory())
    let slot = frame.slot
    defer { slot.setCount(1) }
    slot.setCount(values[0])
    switch name {
    case "isShared": return number(ReferenceCount.isShared(values[0]))
    case "dropIsLast": return number(slot.drop())
    case "countAfterDrop": _ = slot.drop()
    case "countAfterShare": slot.share()
    case "countAfterShareMany": slot.share(adding: values[1])
    default: return nil
    }
    return slot.count
  }

  private static func number(_ isTrue: Bool) -> UInt64 { isTrue ? 1 : 0 }

  private static func size(_ number: UInt64) -> PageSize {
    PageSize(rawValue: UInt8(number)) ?? .fourKiB
  }

  private static func mode(levels: UInt64) -> PagingMode {
    PagingMode(rootLevel: PagingLevel(Int(levels)))
  }
}
