internal import CTessera

// Control registers and IA32_EFER: the bits that memory management reads or changes, and access to
// the registers of the calling processor.
//
// Intel SDM Vol. 3A, "Control Registers" and "Extended Feature Enable Register".

/// A register whose bits enable features. An `OptionSet` would bring arrays, which allocate.
public protocol RegisterValue: Equatable, Sendable {
  var rawValue: UInt64 { get }
  init(rawValue: UInt64)
}

extension RegisterValue {
  /// Returns whether all bits of `other` are set.
  @inline(__always)
  public func contains(_ other: Self) -> Bool { rawValue & other.rawValue == other.rawValue }

  /// This value with the bits of `other` set.
  @inline(__always)
  public func union(_ other: Self) -> Self { Self(rawValue: rawValue | other.rawValue) }

  /// This value with the bits of `other` clear.
  @inline(__always)
  public func subtracting(_ other: Self) -> Self { Self(rawValue: rawValue & ~other.rawValue) }

  @inline(__always)
  public mutating func insert(_ other: Self) { self = union(other) }

  @inline(__always)
  public mutating func remove(_ other: Self) { self = subtracting(other) }
}

/// The value of CR0.
@frozen
public struct ControlRegister0: RegisterValue {
  public let rawValue: UInt64

  @inline(__always)
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Read-only pages are read-only for the kernel too (WP).
  public static var writeProtect: Self { Self(rawValue: 1 << 16) }
  /// NW. Clear with CD set: the caches are used but not filled.
  public static var notWriteThrough: Self { Self(rawValue: 1 << 29) }
  /// CD.
  public static var cacheDisable: Self { Self(rawValue: 1 << 30) }
}

/// The value of CR4.
@frozen
public struct ControlRegister4: RegisterValue {
  public let rawValue: UInt64

  @inline(__always)
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Global translations survive a load of CR3 (PGE).
  public static var globalPages: Self { Self(rawValue: 1 << 7) }
  /// User code cannot read the addresses of descriptor tables (UMIP).
  public static var userModeInstructionPrevention: Self { Self(rawValue: 1 << 11) }
  /// Page tables have five levels (LA57).
  public static var fiveLevelPaging: Self { Self(rawValue: 1 << 12) }
  /// Cached translations are tagged with the number in the low bits of CR3 (PCIDE).
  public static var processContextIdentifiers: Self { Self(rawValue: 1 << 17) }
  /// The kernel cannot execute user pages (SMEP).
  public static var supervisorExecutionPrevention: Self { Self(rawValue: 1 << 20) }
  /// The kernel cannot access user pages unless EFLAGS.AC is set (SMAP).
  public static var supervisorAccessPrevention: Self { Self(rawValue: 1 << 21) }
}

/// The value of IA32_EFER.
@frozen
public struct ExtendedFeatures: RegisterValue {
  public let rawValue: UInt64

  @inline(__always)
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Entries have a no-execute bit, which is reserved otherwise (NXE).
  public static var noExecute: Self { Self(rawValue: 1 << 11) }

  /// The number of the model-specific register.
  fileprivate static var register: UInt32 { 0xc000_0080 }
}

extension Processor {
  public static var controlRegister0: ControlRegister0 {
    ControlRegister0(rawValue: hw_read_cr0())
  }

  /// CR2: the address of the last page fault.
  public static var faultAddress: UInt64 { hw_read_cr2() }

  /// CR3: the root of the page tables, with its flags.
  public static var rootRegister: UInt64 { hw_read_cr3() }

  public static var controlRegister4: ControlRegister4 {
    ControlRegister4(rawValue: hw_read_cr4())
  }

  public static var extendedFeatures: ExtendedFeatures {
    ExtendedFeatures(rawValue: hw_read_msr(ExtendedFeatures.register))
  }

  public static func modelSpecificRegister(_ number: UInt32) -> UInt64 { hw_read_msr(number) }

  /// Loads CR0. The caller promises that the running kernel needs no feature that this disables.
  @unsafe static func loadControlRegister0(_ value: ControlRegister0) {
    hw_write_cr0(value.rawValue)
  }

  /// Loads CR3, which also flushes this processor's translations that are not global.
  ///
  /// The caller promises that the tables at `value` map the code that runs, its stack and its data.
  @unsafe public static func loadRootRegister(_ value: UInt64) { hw_write_cr3(value) }

  /// Loads CR4. The caller promises that the running kernel needs no feature that this disables.
  @unsafe public static func loadControlRegister4(_ value: ControlRegister4) {
    hw_write_cr4(value.rawValue)
  }
}

extension Processor {
  /// Sets EFER.NXE.
  ///
  /// - Precondition: the processor has no-execute.
  @unsafe package static func enableNoExecute() {
    let features = extendedFeatures
    if features.contains(.noExecute) { return }
    hw_write_msr(ExtendedFeatures.register, features.union(.noExecute).rawValue)
  }

  /// Sets CR0.WP.
  @unsafe package static func enableWriteProtection() {
    let features = controlRegister0
    if features.contains(.writeProtect) { return }
    // SAFETY: the caller makes the promise.
    unsafe loadControlRegister0(features.union(.writeProtect))
  }

  /// Sets CR4.PGE.
  @unsafe package static func enableGlobalPages() {
    let features = controlRegister4
    if features.contains(.globalPages) { return }
    // SAFETY: the caller makes the promise.
    unsafe loadControlRegister4(features.union(.globalPages))
  }
}
