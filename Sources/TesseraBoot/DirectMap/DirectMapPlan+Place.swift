internal import TesseraHardware
internal import TesseraSpaces

extension DirectMapPlan {
  /// The entries of the running root that stay as they are.
  var keptEntries: (low: Range<Int>, high: Range<Int>) {
    (KernelSpace.lowEntries(below: kernelLowEnd), keepsUpperHalf ? 256..<512 : 511..<512)
  }

  /// The addresses that stay mapped as they are.
  var kept: KeptAddresses {
    keepsUpperHalf
      ? KeptAddresses(upperHalfAndBelow: kernelLowEnd) : KeptAddresses(from: DirectMap.highestEnd)
  }

  /// Checks what can be checked without the running tables, for memory up to `end`.
  ///
  /// Throws `invalidDirectMap`, `invalidKernelLowEnd`, and `kernelAreaMapped` if the direct map
  /// would overlap the kernel virtual area.
  func check(for end: PhysicalAddress) throws(BootError) {
    let mode = PagingMode.current
    guard kernelLowEnd.rawValue <= mode.lowerHalfEnd.rawValue - mode.rootLevel.span else {
      throw .invalidKernelLowEnd
    }
    let base = base ?? Self.defaultBase
    let end = max(end, DirectMapBuilder.lowEnd).rawValue
    guard loaderBase % PageSize.fourKiB.byteCount == 0, base >= 0 &- mode.lowerHalfEnd.rawValue,
      base % PageSize.oneGiB.byteCount == 0, base < DirectMap.highestEnd,
      end <= DirectMap.highestEnd - base,
      readOnly.lowerBound.isAligned(to: .fourKiB), readOnly.upperBound.isAligned(to: .fourKiB)
    else { throw .invalidDirectMap }
    if self.base != nil && Self.overlapsArea(base, end) { throw .kernelAreaMapped }
  }

  /// The base of the new direct map, for memory up to `end`.
  ///
  /// Throws `directMapInUse`.
  func base(
    for end: PhysicalAddress, in tables: inout RunningTables
  ) throws(BootError) -> UInt64 {
    let end = max(end, DirectMapBuilder.lowEnd).rawValue
    if let base {
      guard isFree(base, end, in: &tables) else { throw .directMapInUse }
      return base
    }
    var base = Self.defaultBase
    while base < DirectMap.highestEnd, end <= DirectMap.highestEnd - base {
      if !Self.overlapsArea(base, end) && isFree(base, end, in: &tables) { return base }
      base += PagingMode.current.rootLevel.span
    }
    throw .directMapInUse
  }

  private static var defaultBase: UInt64 {
    let half = PagingMode.current.lowerHalfEnd.rawValue
    return 0 &- half &+ half / 8
  }

  /// Whether an entry of the root would be both the kernel virtual area's and the direct map's.
  private static func overlapsArea(_ base: UInt64, _ end: UInt64) -> Bool {
    let span = PagingMode.current.rootLevel.span
    let area = KernelSpace.area
    return base + end > area.lowerBound.rawValue & ~(span - 1)
      && base < (area.upperBound.rawValue + span - 1) & ~(span - 1)
  }

  /// Whether nothing that stays mapped is below the root's entries for `end` bytes from `base`.
  private func isFree(_ base: UInt64, _ end: UInt64, in tables: inout RunningTables) -> Bool {
    for index in DirectMap.rootEntries(from: base, byteCount: end)
    where keptEntries.high.contains(index) {
      guard let entry = tables.rootEntry(at: index), entry.isAbsent else { return false }
    }
    return true
  }
}

extension DirectMap {
  /// The entries of the root that map `byteCount` bytes from `base`.
  static func rootEntries(from base: UInt64, byteCount: UInt64) -> Range<Int> {
    let level = PagingMode.current.rootLevel
    return VirtualAddress(base).index(at: level)..<VirtualAddress(base + (byteCount - 1)).index(
      at: level) + 1
  }

  /// The entries of the root below which the direct map is.
  var rootEntries: Range<Int> {
    Self.rootEntries(from: base, byteCount: max(end, DirectMapBuilder.lowEnd).rawValue)
  }
}
