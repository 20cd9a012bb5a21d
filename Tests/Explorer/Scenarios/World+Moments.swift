import CTessera
import ExplorerRuntime
import SimulatedMachine
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TesseraSpaces

// What is checked between two steps, whenever no lock of a table is held.
extension World {
  /// Names the locks of all tables to the explorer.
  func addLocks() {
    let slots = machine.frameMetadata.baseAddress!.assumingMemoryBound(to: UInt8.self)
    explorer_add_locks(slots + 63, scenario.frameCount, 64)
  }

  /// What is wrong with the tables; and with the allocator, if the moment `isCalm`.
  func problemBetween(isCalm: Bool) -> UnsafePointer<CChar>? {
    guard let sentence = problemsBetween(isCalm: isCalm).first else { return nil }
    return keep(sentence)
  }

  private func problemsBetween(isCalm: Bool) -> [String] {
    var found: [String] = []
    for index in 0..<Self.placeCount where !isBeingDestroyed(index) {
      withSpace(index) { space in
        check(space.root, of: .root, from: VirtualAddress(0), isKernel: false, &found)
      }
    }
    let area = KernelSpace.root[AddressSpaceLayout.kernelVirtualAreaEntry]
    // SAFETY: the root keeps the table.
    let table = unsafe PageTableNode(at: area.tableAddress)
    check(
      table, of: PagingLevel.root.below,
      from: KernelSpace.area.lowerBound.alignedDown(to: PagingLevel.root.span),
      isKernel: true, &found)
    if isCalm { FrameAllocator.checkInvariants { found.append("\($0)") } }
    return found
  }

  private func check(
    _ table: PageTableNode, of level: PagingLevel, from start: VirtualAddress, isKernel: Bool,
    _ found: inout [String]
  ) {
    let rules = PageTableRules(isKernel: isKernel, allowsWriteExecute: false)
    let indices = isKernel ? 0..<512 : AddressSpaceLayout.userEntries
    table.checkInvariants(
      of: level, from: start, indices: indices, rules,
      { rule, address, level in
        found.append(
          "\(rule) (\(String(address.rawValue, radix: 16)), level \(level.number)), "
            + "and no lock is held")
      }, visit: { _, _, _ in })
  }
}

extension PagingLevel {
  fileprivate static var root: PagingLevel { PagingMode.current.rootLevel }
}
