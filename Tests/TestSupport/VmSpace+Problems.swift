import TesseraHardware
import TesseraPageTables
import TesseraSpaces

extension VmSpace {
  /// The root node, for tests that inspect the page tables.
  package var rootNode: PageTableNode { unsafe PageTableNode(at: rootAddress) }

  /// Returns the violations of the invariants in the tables of the space.
  package borrowing func problems(allowsWriteExecute: Bool = false) -> [String] {
    var found: [String] = []
    checkInvariants(allowsWriteExecute: allowsWriteExecute) { rule, address, level in
      found.append("\(rule) (\(String(address.rawValue, radix: 16)), level \(level.number))")
    }
    return found
  }

  package var problems: [String] { problems() }
}

extension KernelSpace {
  /// The violations of the invariants in the tables of the kernel virtual area.
  package static var problems: [String] {
    var found: [String] = []
    checkInvariants { rule, address, level in
      found.append("\(rule) (\(String(address.rawValue, radix: 16)), level \(level.number))")
    }
    return found
  }
}
