internal import TesseraHardware
internal import TesseraHeader
internal import TesseraPageTables

/// What a C function says of pages that are not mapped.
enum PageStatus {
  case number(UInt32)
  case demandZero(PageProperty)
  case pending(UInt32, PageProperty)

  /// - Throws: `INVALID_ARGUMENT`, and the errors of rights.
  static func demandZero(flags: UInt32) throws(APIError) -> PageStatus {
    try check(Int(flags) & TESSERA_SHARED == 0, TESSERA_ERROR_INVALID_ARGUMENT)
    return .demandZero(try PageProperty(flags: flags, isUser: true))
  }

  /// - Throws: `INVALID_ARGUMENT`, and the errors of rights.
  static func pending(_ payload: UInt32, flags: UInt32) throws(APIError) -> PageStatus {
    .pending(payload, try PageProperty(flags: flags, isUser: true))
  }

  /// Whether the kernel's own pages cannot have it.
  var isForPrograms: Bool {
    if case .number = self { return false }
    return true
  }
}

extension Cursor {
  /// Gives the pages of the next `byteCount` bytes, none of which is mapped, the status.
  mutating func setStatus(_ byteCount: UInt64, _ status: PageStatus) throws(TesseraError) {
    switch status {
    case .number(let number): try setStatus(byteCount, to: number)
    case .demandZero(let property): try setDemandZero(byteCount, as: property)
    case .pending(let payload, let property):
      try setPending(byteCount, payload, as: property)
    }
  }
}
