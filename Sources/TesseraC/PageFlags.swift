internal import TesseraHardware
internal import TesseraHeader
internal import TesseraPageTables

extension PageAccess {
  /// The rights in `flags`.
  ///
  /// - Throws: `INVALID_RIGHTS` if no page can have them, and `WRITE_AND_EXECUTE` without the flag
  ///   that allows both.
  init(flags: UInt32) throws(APIError) {
    let rights = TESSERA_READ | TESSERA_WRITE | TESSERA_EXECUTE
    switch (Int(flags) & rights, Int(flags) & TESSERA_ALLOW_WX != 0) {
    case (TESSERA_NO_ACCESS, false): self = .none
    case (TESSERA_READ, false): self = .read
    case (TESSERA_READ | TESSERA_WRITE, false): self = .readWrite
    case (TESSERA_READ | TESSERA_EXECUTE, false): self = .readExecute
    case (rights, true): self = .readWriteExecute
    case (rights, false): throw APIError(TESSERA_ERROR_WRITE_AND_EXECUTE)
    default: throw APIError(TESSERA_ERROR_INVALID_RIGHTS)
    }
  }

  /// The rights in `flags`, which has no other flags.
  ///
  /// - Throws: `INVALID_ARGUMENT`.
  init(onlyRights flags: UInt32) throws(APIError) {
    let known = TESSERA_READ | TESSERA_WRITE | TESSERA_EXECUTE | TESSERA_ALLOW_WX
    try check(Int(flags) & ~known == 0, TESSERA_ERROR_INVALID_ARGUMENT)
    self = try PageAccess(flags: flags)
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
      | 3 * TESSERA_SOFTWARE | TESSERA_SHARED
    try check(Int(flags) & ~known == 0, TESSERA_ERROR_INVALID_ARGUMENT)
    self = PageProperty(try PageAccess(flags: flags), isUser: isUser)
      .with(cachePolicy: CachePolicy(flags: flags))
      .with(software: softwareBits(flags))
      .with(isShared: Int(flags) & TESSERA_SHARED != 0)
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
    if isCopyOnWrite { flags |= TESSERA_COPY_ON_WRITE }
    if isShared { flags |= TESSERA_SHARED }
    return UInt32(flags)
  }
}

extension CachePolicy {
  /// The cache policy in `flags`.
  fileprivate init(flags: UInt32) {
    switch Int(flags) & TESSERA_CACHE_POLICY {
    case TESSERA_WRITE_THROUGH: self = .writeThrough
    case TESSERA_WRITE_COMBINING: self = .writeCombining
    case TESSERA_UNCACHEABLE: self = .uncacheable
    default: self = .writeBack
    }
  }
}

/// The software bits in `flags`.
private func softwareBits(_ flags: UInt32) -> UInt8 {
  UInt8(Int(flags) / TESSERA_SOFTWARE & 3)
}

extension PageChange {
  /// The change that clears the flags of `clear` and then sets those of `set`.
  ///
  /// - Throws: `INVALID_ARGUMENT`.
  init(set: UInt32, clear: UInt32) throws(APIError) {
    let rights = TESSERA_READ | TESSERA_WRITE | TESSERA_EXECUTE
    let known = rights | TESSERA_CACHE_POLICY | 3 * TESSERA_SOFTWARE
    try check(
      Int(clear) & ~known == 0 && Int(set) & ~(known | TESSERA_ALLOW_WX) == 0,
      TESSERA_ERROR_INVALID_ARGUMENT)
    let policies = TESSERA_CACHE_POLICY
    let setsPolicy = Int(set | clear) & policies != 0
    try check(!setsPolicy || Int(clear) & policies == policies, TESSERA_ERROR_INVALID_ARGUMENT)
    let removed = Rights(flags: clear)
    let added = Rights(flags: set)
    let allowsBoth = Int(set) & TESSERA_ALLOW_WX != 0
    try check(
      allowsBoth || Self.keepsApart(removing: removed, adding: added),
      TESSERA_ERROR_INVALID_ARGUMENT)
    self.init(
      removing: removed, adding: added, clearingSoftware: softwareBits(clear),
      settingSoftware: softwareBits(set),
      cachePolicy: setsPolicy ? CachePolicy(flags: set) : nil, allowingWriteExecute: allowsBoth)
  }
}

extension PageChange.Rights {
  /// The rights in `flags`.
  fileprivate init(flags: UInt32) {
    let read: PageChange.Rights = Int(flags) & TESSERA_READ != 0 ? .read : .none
    self = read.union(Int(flags) & TESSERA_WRITE != 0 ? .write : .none)
      .union(Int(flags) & TESSERA_EXECUTE != 0 ? .execute : .none)
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
    case .demandZero(let property):
      content = UInt32(TESSERA_PAGE_DEMAND_ZERO)
      flags = property.flags
    case .pending(let payload, let property):
      content = UInt32(TESSERA_PAGE_PENDING)
      status = payload
      flags = property.flags
    case .swapped(let slot, let property):
      content = UInt32(TESSERA_PAGE_SWAPPED)
      status = slot
      flags = property.flags
    case .object(let number, let property):
      content = UInt32(TESSERA_PAGE_OBJECT)
      status = number
      flags = property.flags
    case .mapped(let physical, let property, let ownsFrame):
      content = UInt32(ownsFrame ? TESSERA_PAGE_FRAME : TESSERA_PAGE_DEVICE)
      self.physical = physical.rawValue
      flags = property.flags
      page_size = pageSize
    }
  }
}
