internal import TesseraHardware
internal import TesseraHeader
internal import TesseraPageTables

extension PageAccess {
  /// The rights in `flags`.
  ///
  /// - Throws: `INVALID_ARGUMENT` if no page can have them.
  init(flags: UInt32) throws(APIError) {
    let rights = TESSERA_READ | TESSERA_WRITE | TESSERA_EXECUTE
    switch (Int(flags) & rights, Int(flags) & TESSERA_ALLOW_WX != 0) {
    case (TESSERA_NO_ACCESS, false): self = .none
    case (TESSERA_READ, false): self = .read
    case (TESSERA_READ | TESSERA_WRITE, false): self = .readWrite
    case (TESSERA_READ | TESSERA_EXECUTE, false): self = .readExecute
    case (rights, true): self = .readWriteExecute
    default: throw APIError(TESSERA_ERROR_INVALID_ARGUMENT)
    }
  }

  fileprivate var flags: Int {
    switch self {
    case .none: TESSERA_NO_ACCESS
    case .read: TESSERA_READ
    case .readWrite: TESSERA_READ | TESSERA_WRITE
    case .readExecute: TESSERA_READ | TESSERA_EXECUTE
    case .readWriteExecute: TESSERA_READ | TESSERA_WRITE | TESSERA_EXECUTE | TESSERA_ALLOW_WX
    }
  }
}

extension PageProperty {
  /// The rights, cache policy and software bits in `flags`.
  ///
  /// - Throws: `INVALID_ARGUMENT`.
  init(flags: UInt32, isUser: Bool) throws(APIError) {
    let known =
      TESSERA_READ | TESSERA_WRITE | TESSERA_EXECUTE | TESSERA_ALLOW_WX | TESSERA_UNCACHEABLE
      | 3 * TESSERA_SOFTWARE
    try check(Int(flags) & ~known == 0, TESSERA_ERROR_INVALID_ARGUMENT)
    let policy: CachePolicy =
      switch Int(flags) & TESSERA_UNCACHEABLE {
      case TESSERA_WRITE_THROUGH: .writeThrough
      case TESSERA_WRITE_COMBINING: .writeCombining
      case TESSERA_UNCACHEABLE: .uncacheable
      default: .writeBack
      }
    self = PageProperty(try PageAccess(flags: flags), isUser: isUser)
      .with(cachePolicy: policy)
      .with(software: UInt8(Int(flags) / TESSERA_SOFTWARE & 3))
  }

  /// The header's flags for this property.
  var flags: UInt32 {
    let policy =
      switch cachePolicy {
      case .writeBack: 0
      case .writeThrough: TESSERA_WRITE_THROUGH
      case .writeCombining: TESSERA_WRITE_COMBINING
      case .uncacheable: TESSERA_UNCACHEABLE
      }
    var flags = access.flags | policy | Int(software) * TESSERA_SOFTWARE
    if isAccessed { flags |= TESSERA_ACCESSED }
    if isDirty { flags |= TESSERA_DIRTY }
    if isUser { flags |= TESSERA_USER }
    if isGlobal { flags |= TESSERA_GLOBAL }
    return UInt32(flags)
  }
}

extension tessera_page {
  /// The header's description of `run`.
  init(_ run: PageRun, pageSize: UInt64) {
    self.init()
    size = Self.currentSize
    address = run.start.rawValue
    length = run.byteCount
    switch run.content {
    case .absent: content = UInt32(TESSERA_PAGE_ABSENT)
    case .status(let number):
      content = UInt32(TESSERA_PAGE_STATUS)
      status = number
    case .mapped(let physical, let property, let ownsFrame):
      content = UInt32(ownsFrame ? TESSERA_PAGE_FRAME : TESSERA_PAGE_DEVICE)
      self.physical = physical.rawValue
      flags = property.flags
      page_size = pageSize
    }
  }
}
