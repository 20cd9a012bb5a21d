public import TesseraHardware

/// An error of a change of page tables. Nothing has changed.
public enum MapError: Error, Equatable, Sendable {
  /// The page at the address is already mapped. Unmap it, or replace the mapping.
  case alreadyMapped(VirtualAddress)
  /// The page at the address is not mapped.
  case notMapped(VirtualAddress)
  /// There is no free frame for a page-table node.
  case outOfFrames
}

/// An error in a range of an address space.
public enum RangeError: Error, Equatable, Sendable {
  /// The range is empty.
  case empty
  /// The start or the end is not a multiple of 4096.
  case notAligned
  /// The range does not lie in the half of the address space that it is locked in.
  case outOfBounds
  /// There are too few free frames for the page-table nodes to reserve.
  case outOfFrames
}
