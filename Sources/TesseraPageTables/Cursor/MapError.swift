public import TesseraHardware

/// Why a change to page tables was refused. Nothing has changed.
public enum MapError: Error, Equatable, Sendable {
  /// The page at the address is mapped already. Unmap it, or replace the mapping.
  case alreadyMapped(VirtualAddress)
  /// The page at the address is not mapped.
  case notMapped(VirtualAddress)
  /// No frame is left for a page-table node.
  case outOfFrames
}

/// Why a range of an address space cannot be worked on.
public enum RangeError: Error, Equatable, Sendable {
  /// The range holds no bytes, or ends before it starts.
  case empty
  /// The start or the end is not a multiple of 4096.
  case notAligned
  /// The range lies, in part at least, outside the half of the address space it was asked of.
  case outOfBounds
  /// No frames are left for the page-table nodes that were to be reserved.
  case outOfFrames
}
