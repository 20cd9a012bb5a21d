import TesseraHardware
import TesseraPageTables
import TesseraSpaces

extension VmSpace {
  /// The root, for a look behind the scenes.
  package var rootNode: PageTableNode { unsafe PageTableNode(at: rootAddress) }

  /// Which rules the space's tables do not keep.
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
  /// Which rules the tables of the kernel's area do not keep.
  package static var problems: [String] {
    var found: [String] = []
    checkInvariants { rule, address, level in
      found.append("\(rule) (\(String(address.rawValue, radix: 16)), level \(level.number))")
    }
    return found
  }
}
