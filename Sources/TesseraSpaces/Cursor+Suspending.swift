package import TesseraHardware
internal import TesseraPageTables

/// What is left of a cursor that is put aside, to go on with later: its locks and its position.
///
/// For a cursor that lives in memory which Swift knows nothing of. Destroying this destroys the
/// cursor. The space has to outlive it, which nobody checks.
package struct SuspendedCursor: ~Copyable {
  fileprivate let state: CursorState

  /// Puts `cursor` aside.
  package init(_ cursor: consuming Cursor) { state = cursor.takeState() }

  /// The first byte of the page that the next operation acts on.
  package var address: UInt64 { state.address }

  /// Whether the range is the kernel's.
  package var isKernelsOwn: Bool { state.isKernel }
}

extension Cursor {
  /// Goes on with what was put aside.
  @_lifetime(immortal)
  package init(resuming suspended: consuming SuspendedCursor) {
    self.init(state: suspended.takeState())
  }

  /// How many bytes are left from the position on.
  package var byteCountLeft: UInt64 { state.start &+ state.byteCount &- state.address }

  /// The entry that shows the page at `address`, which is in the range, or that it is missing
  /// under, and the level of its table. Moves there.
  package mutating func entry(
    at address: VirtualAddress
  ) -> (entry: PageTableEntry, level: PagingLevel)? {
    guard (try? jump(to: address)) != nil, !isAtEnd else { return nil }
    return state.entry
  }

  /// Whether the range is the kernel's.
  package var isKernelsOwn: Bool { isKernel }
}

extension SuspendedCursor {
  fileprivate consuming func takeState() -> CursorState { state }
}
