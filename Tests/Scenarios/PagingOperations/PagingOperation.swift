/// What a walk through paging can do.
package enum PagingOperation: Int {
  case makeSpace, dropSpace, activate, deactivate, fork, copy, dropHold, setDemandZero, setPending,
    setStatus, mapFrame, mapAgain, mapLargeFrame, mapDevice, unmap, protect, change, read, write,
    execute, resolve
  // The kernel's use of a program's memory.
  case copyIn, copyOut, fill, exchange, copyBytes

  package static var count: Int { PagingOperation.copyBytes.rawValue + 1 }

  /// How often an operation is chosen, of 230.
  static func chosen(_ choice: Int) -> PagingOperation {
    switch choice {
    case 0..<2: .makeSpace
    case 2..<5: .dropSpace
    case 5..<8: .activate
    case 8..<9: .deactivate
    case 9..<16: .fork
    case 16..<19: .copy
    case 19..<21: .dropHold
    case 21..<43: .setDemandZero
    case 43..<46: .setPending
    case 46..<48: .setStatus
    case 48..<60: .mapFrame
    case 60..<63: .mapAgain
    case 63..<66: .mapLargeFrame
    case 66..<69: .mapDevice
    case 69..<77: .unmap
    case 77..<85: .protect
    case 85..<91: .change
    case 91..<123: .read
    case 123..<182: .write
    case 182..<187: .execute
    case 187..<200: .resolve
    case 200..<208: .copyIn
    case 208..<214: .copyOut
    case 214..<220: .fill
    case 220..<225: .exchange
    default: .copyBytes
    }
  }
}

/// One thing that a walk did, for people.
package struct LoggedPagingOperation {
  package let step: Int
  package let operation: PagingOperation
  package let space: Int
  package let firstPage: Int
  package let pageCount: Int
  /// What else matters: an address, a right, a number.
  package let value: UInt64
}
