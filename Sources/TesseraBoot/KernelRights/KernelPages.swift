internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables

/// The pages of the kernel half that the kernel was loaded with, in tables without nodes.
///
/// The kernel half is changed by a rule that says of each entry what it becomes. The rule is
/// applied twice: first to count the tables that splits of large pages require, which changes
/// nothing, and then to change the entries.
struct KernelPages {
  let root: PhysicalAddress
  /// Whether the entries are Tessera's, which may be leaves without being present.
  let areAdopted: Bool
  private var tables: RawPageTables { .inDirectMap }

  /// An entry that leads to no table that can be read.
  struct Entry {
    enum Kind { case leaf, absent, unreachableTable }

    let kind: Kind
    let value: PageTableEntry
    let level: PagingLevel
    /// The first address that the entry spans.
    let first: UInt64
    /// The table that the entry is in; zero if it would be in one that a split makes.
    let table: PhysicalAddress
    /// Whether the entries above let pages be writable, and executable.
    let allowsWrite: Bool
    let allowsExecute: Bool

    var last: UInt64 { first &+ (level.span - 1) }

    /// Whether the entry is a leaf that lets the kernel write.
    var isWritable: Bool {
      kind == .leaf && allowsWrite && value.isPresent
        && value.rawValue & PageTableEntry.writable != 0
    }
  }

  /// What becomes of an entry.
  enum Change {
    case keep
    case replace(PageTableEntry)
    /// The leaf becomes a table of smaller leaves, and the rule is applied to those.
    case split
  }

  /// The entry that spans `address`.
  @inline(never)
  func entry(at address: UInt64) -> Entry {
    var table = root
    var level = PagingMode.current.rootLevel
    var common = UInt64.max
    var prohibitions: UInt64 = 0
    while true {
      let value = tables.entry(at: VirtualAddress(address).index(at: level), of: table)
      let isTable = value.leadsToTable(at: level)
      if !isTable || value.tableAddress >= FrameTable.end {
        let isLeaf = level.pageSize != nil && (value.isPresent || areAdopted && value.isLeaf)
        return Entry(
          kind: isTable ? .unreachableTable : isLeaf ? .leaf : .absent, value: value,
          level: level, first: address & ~(level.span - 1), table: table,
          allowsWrite: common & PageTableEntry.writable != 0,
          allowsExecute: prohibitions & PageTableEntry.noExecute == 0)
      }
      common &= value.rawValue
      prohibitions |= value.rawValue
      table = value.tableAddress
      level = level.below
    }
  }
}

extension KernelPages {
  /// Applies `rule` to the entries that span `bounds`, which lie in one half, or counts the tables
  /// that it takes until `splits` is reserved. Flushes nothing.
  func apply(
    to bounds: ClosedRange<UInt64>, _ splits: inout SplitTables, _ rule: (Entry) -> Change
  ) {
    var position = bounds.lowerBound
    var entry = entry(at: position)
    while true {
      switch rule(entry) {
      case .keep: break
      case .replace(let value):
        if splits.isReserved {
          tables.set(value, at: VirtualAddress(position).index(at: entry.level), of: entry.table)
        }
      case .split:
        if splits.isReserved {
          split(entry, into: splits.take())
          entry = self.entry(at: position)
        } else {
          // Each of its parts leads here; the first that lies in the bounds counts.
          if position == max(entry.first, bounds.lowerBound) { splits.count += 1 }
          entry = entry.part(at: position)
        }
        continue
      }
      if entry.last >= bounds.upperBound { return }
      position = entry.last + 1
      entry = self.entry(at: position)
    }
  }

  /// Replaces a large leaf by the table `child` of leaves for its parts.
  @inline(never)
  private func split(_ entry: Entry, into child: PhysicalAddress) {
    let first = entry.part(at: entry.first)
    guard let size = first.level.pageSize else { panic("a page of 4 KiB is split") }
    let parts = LeafTemplate(like: first.value, size, newSize: size)
    var memory = first.value.leafAddress(size: size)
    for index in 0..<512 {
      tables.set(parts.entry(at: memory), at: index, of: child)
      memory = memory + size.byteCount
    }
    // A processor that walks the tables at this moment finds the same pages on either way.
    tables.set(
      .table(at: child), at: VirtualAddress(entry.first).index(at: entry.level), of: entry.table)
  }
}

extension KernelPages.Entry {
  /// The leaf for the part of this large leaf that spans `address`.
  @inline(never)
  func part(at address: UInt64) -> KernelPages.Entry {
    guard let size = level.pageSize, level > .leafTable, let partSize = level.below.pageSize else {
      panic("a page of 4 KiB is split")
    }
    let first = address & ~(partSize.byteCount - 1)
    let memory = value.leafAddress(size: size) + (first - self.first)
    return KernelPages.Entry(
      kind: .leaf, value: LeafTemplate(like: value, size, newSize: partSize).entry(at: memory),
      level: level.below, first: first, table: .zero, allowsWrite: allowsWrite,
      allowsExecute: allowsExecute)
  }
}

/// The tables that large pages of the kernel are split into. They are permanent.
struct SplitTables: ~Copyable {
  /// The number of tables that are required.
  fileprivate(set) var count = 0
  /// Whether there is a frame for each of them, so that entries may be changed.
  private(set) var isReserved = false
  private var frames = FrameList<LoaderTableCopy>()

  /// Allocates the frames of the tables that were counted.
  ///
  /// Throws `outOfFrames`.
  mutating func reserve() throws(TesseraError) {
    for _ in 0..<count { frames.pushBack(try UniqueFrame(allocating: LoaderTableCopy())) }
    isReserved = true
  }

  fileprivate mutating func take() -> PhysicalAddress {
    guard let frame = frames.popFront() else {
      panic("no frame was reserved for the split of a kernel page")
    }
    return frame.shared().relinquish()
  }
}
