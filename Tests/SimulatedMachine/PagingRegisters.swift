import CTessera

/// The registers of one processor that control the translation of addresses.
///
/// Written from the manual (Intel SDM Vol. 3A, "4-Level Paging and 5-Level Paging"), independently
/// of the library's entry format, which is tested against it.
struct PagingRegisters: Sendable {
  var cr0: UInt64
  var cr3: UInt64
  var cr4: UInt64
  var efer: UInt64
  var pat: UInt64
  /// Whether CR3 has been loaded. Nothing is translated before.
  var hasRoot: Bool
  let physicalAddressWidth: Int
  let hasOneGiBPages: Bool

  init(_ registers: simulated_registers, _ features: simulated_features) {
    cr0 = registers.cr0
    cr3 = registers.cr3
    cr4 = registers.cr4
    efer = registers.efer
    pat = registers.pat
    hasRoot = registers.has_root
    physicalAddressWidth = Int(features.physical_address_width)
    hasOneGiBPages = features.has_one_gib_pages
  }

  var isWriteProtecting: Bool { cr0 >> 16 & 1 != 0 }
  var hasGlobalPages: Bool { cr4 >> 7 & 1 != 0 }
  var levelCount: Int { cr4 >> 12 & 1 != 0 ? 5 : 4 }
  var hasContextIdentifiers: Bool { cr4 >> 17 & 1 != 0 }
  var preventsSupervisorFetch: Bool { cr4 >> 20 & 1 != 0 }
  var preventsSupervisorAccess: Bool { cr4 >> 21 & 1 != 0 }
  var hasNoExecute: Bool { efer >> 11 & 1 != 0 }

  /// The address of the root table.
  var root: UInt64 { cr3 & 0x000f_ffff_ffff_f000 }

  /// The process-context identifier; 0 if they are off.
  var context: UInt64 { hasContextIdentifiers ? cr3 & 0xfff : 0 }

  /// The number of virtual address bits that are translated.
  var virtualAddressWidth: Int { 12 + 9 * levelCount }

  /// Returns whether the untranslated upper bits repeat the highest translated one.
  func isCanonical(_ address: UInt64) -> Bool { signExtended(address) == address }

  func signExtended(_ address: UInt64) -> UInt64 {
    let unused = 64 - virtualAddressWidth
    return UInt64(bitPattern: Int64(bitPattern: address << UInt64(unused)) >> Int64(unused))
  }
}

extension PagingRegisters {
  /// Returns whether `rights` permit an access ("Determination of Access Rights").
  func allows(_ kind: AccessKind, as privilege: Privilege, on rights: PageRights) -> Bool {
    let isUserPage = rights.contains(.user)
    switch (privilege, kind) {
    case (.user, .read): return isUserPage
    case (.user, .write): return isUserPage && rights.contains(.write)
    case (.user, .fetch): return isUserPage && rights.contains(.execute)
    case (_, .fetch):
      return rights.contains(.execute) && !(isUserPage && preventsSupervisorFetch)
    case (_, .read), (_, .write):
      if isUserPage && preventsSupervisorAccess && privilege == .supervisor { return false }
      return kind == .read || rights.contains(.write) || !isWriteProtecting
    }
  }

  /// Returns all accesses that `rights` permit.
  func accesses(_ rights: PageRights) -> AccessSet {
    var result: AccessSet = []
    if allows(.read, as: .user, on: rights) { result.insert(.userRead) }
    if allows(.write, as: .user, on: rights) { result.insert(.userWrite) }
    if allows(.fetch, as: .user, on: rights) { result.insert(.userFetch) }
    if allows(.read, as: .supervisor, on: rights) { result.insert(.supervisorRead) }
    if allows(.write, as: .supervisor, on: rights) { result.insert(.supervisorWrite) }
    if allows(.fetch, as: .supervisor, on: rights) { result.insert(.supervisorFetch) }
    return result
  }

  /// Returns the error code of a fault on an access, without `present` and `reservedBit`.
  func faultCode(_ kind: AccessKind, as privilege: Privilege) -> PageFaultCode {
    var code: PageFaultCode = []
    if kind == .write { code.insert(.write) }
    if privilege == .user { code.insert(.user) }
    if kind == .fetch && (hasNoExecute || preventsSupervisorFetch) { code.insert(.fetch) }
    return code
  }
}
