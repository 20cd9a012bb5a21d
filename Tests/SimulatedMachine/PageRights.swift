/// The rights that the entries of all levels grant together.
struct PageRights: OptionSet, Hashable, Sendable {
  let rawValue: UInt8

  /// User mode may access the page (U/S is 1 in every entry).
  static let user = PageRights(rawValue: 1)
  /// The page may be written (R/W is 1 in every entry).
  static let write = PageRights(rawValue: 2)
  /// Instructions may be fetched (XD is 0 in every entry).
  static let execute = PageRights(rawValue: 4)

  static let all: PageRights = [.user, .write, .execute]
}

/// The kind of an access.
public enum AccessKind: CaseIterable, Sendable {
  case read, write, fetch
}

/// The privilege of an access.
public enum Privilege: CaseIterable, Sendable {
  /// Code at privilege level 3.
  case user
  /// The kernel, with EFLAGS.AC clear.
  case supervisor
  /// The kernel with EFLAGS.AC set, for deliberate access to user memory.
  case supervisorOnUserMemory
}

/// A set of accesses, each a kind and a privilege: user, or supervisor with EFLAGS.AC clear.
public struct AccessSet: OptionSet, Hashable, Sendable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  public static let userRead = AccessSet(rawValue: 1)
  public static let userWrite = AccessSet(rawValue: 2)
  public static let userFetch = AccessSet(rawValue: 4)
  public static let supervisorRead = AccessSet(rawValue: 8)
  public static let supervisorWrite = AccessSet(rawValue: 16)
  public static let supervisorFetch = AccessSet(rawValue: 32)

  public static let user: AccessSet = [.userRead, .userWrite, .userFetch]
  public static let supervisor: AccessSet = [.supervisorRead, .supervisorWrite, .supervisorFetch]
  public static let writes: AccessSet = [.userWrite, .supervisorWrite]
  public static let fetches: AccessSet = [.userFetch, .supervisorFetch]
  public static let all: AccessSet = [.user, .supervisor]
}

extension AccessSet: CustomStringConvertible {
  public var description: String {
    let user = Self.kinds(rawValue & 7)
    let supervisor = Self.kinds(rawValue >> 3)
    let parts = [
      user.isEmpty ? nil : "user " + user, supervisor.isEmpty ? nil : "supervisor " + supervisor,
    ].compactMap { $0 }
    return parts.isEmpty ? "no access" : parts.joined(separator: ", ")
  }

  private static func kinds(_ bits: UInt8) -> String {
    ["read", "write", "fetch"].enumerated().filter { bits >> UInt8($0.offset) & 1 != 0 }
      .map(\.element).joined(separator: "+")
  }
}
