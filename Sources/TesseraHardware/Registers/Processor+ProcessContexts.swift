internal import CTessera

// Process-context identifiers: numbers of address spaces with which a processor tags what it
// caches, so that a load of CR3 need not flush it.
//
// Intel SDM Vol. 3A, "Process-Context Identifiers (PCIDs)".

extension Processor {
  /// Whether all contexts are flushed by INVPCID.
  ///
  /// SAFETY: safe to use, because it is constant once a second processor runs.
  ///
  /// Access: written by `chooseContextInvalidation`, constant afterwards.
  @safe nonisolated(unsafe) private(set) static var invalidatesContextsAtOnce = false

  /// Decides how all contexts are flushed, for a machine whose first processor has `features`. No
  /// other processor runs.
  package static func chooseContextInvalidation(_ features: ProcessorFeatures) {
    invalidatesContextsAtOnce = features.hasInvalidateProcessContext
  }

  /// Sets CR4.PCIDE, if this processor has context identifiers, and global pages are on: without
  /// them no flush would reach a page of the kernel under all identifiers. Returns whether it is
  /// set.
  ///
  /// The caller promises that the low 12 bits of CR3 are clear, and that CR3 is loaded by
  /// `loadRoot(_:context:keepsTranslations:)` from then on, or with an identifier of zero.
  @unsafe package static func enableContextIdentifiers(_ features: ProcessorFeatures) -> Bool {
    let register = controlRegister4
    guard features.hasProcessContextIdentifiers, register.contains(.globalPages),
      features.hasInvalidateProcessContext || !invalidatesContextsAtOnce
    else { return false }
    // SAFETY: the caller makes the promise.
    unsafe loadControlRegister4(register.union(.processContextIdentifiers))
    return true
  }

  /// Clears CR4.PCIDE, which flushes everything. CR3 holds identifier zero.
  @unsafe package static func disableContextIdentifiers() {
    let register = controlRegister4
    guard register.contains(.processContextIdentifiers) else { return }
    // SAFETY: the caller makes the promise.
    unsafe loadControlRegister4(register.subtracting(.processContextIdentifiers))
  }

  /// Loads CR3 with the table at `root` and an identifier, below 4096, that is zero unless
  /// CR4.PCIDE is set. Flushes what is cached under the identifier, unless the load
  /// `keepsTranslations`.
  ///
  /// The caller promises what it does for `loadRootRegister`.
  @inline(__always)
  @unsafe package static func loadRoot(
    _ root: PhysicalAddress, context: UInt64, keepsTranslations: Bool = false
  ) {
    let keep: UInt64 = keepsTranslations ? 1 << 63 : 0
    hw_write_cr3(root.rawValue | context | keep)
  }
}
