internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables

/// How the tables under a root translate one address, entry by entry, for people.
struct TranslationDump {
  private let root: PhysicalAddress
  private let walk: TranslationTrace

  init(of address: VirtualAddress, from root: PageTableNode) {
    self.root = root.address
    walk = TranslationTrace(of: address, from: root)
  }

  /// Writes a line for each entry from the root down, and marks where the chain stops.
  func write(to sink: inout some TextSink & ~Copyable) {
    sink.write("walk ")
    sink.write(hexadecimal: walk.address.rawValue)
    sink.write(" (root ")
    sink.write(hexadecimal: root.rawValue)
    sink.write(")\n")
    guard walk.address.isCanonical else {
      sink.write("  not canonical                 <- stops here\n")
      return
    }
    var level = walk.highestLevel
    while true {
      writeLine(of: level, to: &sink)
      if level == walk.lowestLevel { return }
      level = level.below
    }
  }

  private func writeLine(of level: PagingLevel, to sink: inout some TextSink & ~Copyable) {
    let entry = walk[level]
    sink.write("  L")
    sink.write(decimal: UInt64(level.number))
    sink.write("[")
    sink.write(decimal: UInt64(walk.address.index(at: level)), width: 3)
    sink.write("] ")
    sink.write(hexadecimal: entry.rawValue, digitCount: 16)
    if entry.mapsPage(at: level), let size = level.pageSize {
      writePage(entry, size, to: &sink)
    } else if entry.leadsToTable(at: level) {
      writeTable(entry, isLast: level == walk.lowestLevel, to: &sink)
    } else if let status = entry.status {
      sink.write("  status ")
      sink.write(decimal: UInt64(status))
      sink.write("          <- stops here")
    } else {
      sink.write("  absent            <- stops here")
    }
    sink.writeLine()
  }

  private func writeTable(
    _ entry: PageTableEntry, isLast: Bool, to sink: inout some TextSink & ~Copyable
  ) {
    sink.write("  table  r")
    sink.write(entry.rawValue & PageTableEntry.writable != 0 ? "w" : "-")
    sink.write(entry.rawValue & PageTableEntry.noExecute == 0 ? "x" : "-")
    sink.write(entry.rawValue & PageTableEntry.user != 0 ? " u" : " k")
    if isLast {
      sink.write("  where no memory is  <- stops here")
    } else {
      writeOwners(of: entry.tableAddress, to: &sink)
    }
  }

  private func writePage(
    _ entry: PageTableEntry, _ size: PageSize, to sink: inout some TextSink & ~Copyable
  ) {
    let property = entry.property(size: size)
    let target = entry.leafAddress(size: size).rawValue | walk.address.offset(in: size)
    sink.write("  page   ")
    property.write(to: &sink)
    sink.write(" ")
    sink.write(size.shortName)
    sink.write(" -> ")
    sink.write(hexadecimal: target)
    if entry.ownsFrame { writeOwners(of: entry.leafAddress(size: size), to: &sink) }
    if !entry.isPresent { sink.write("  <- stops here") }
  }

  /// How many owners the frame has; nothing for those that are kept for good, or are no memory.
  private func writeOwners(
    of address: PhysicalAddress, to sink: inout some TextSink & ~Copyable
  ) {
    guard let slot = try? FrameTable.slot(at: address), slot.count < ReferenceCount.maximum else {
      return
    }
    sink.write("  refs ")
    sink.write(decimal: slot.count)
  }
}

extension PageProperty {
  /// Writes rights, user or kernel, global, and cache policy: "rw- k g wb".
  func write(to sink: inout some TextSink & ~Copyable) {
    sink.write(access.allowsRead ? "r" : "-")
    sink.write(access.allowsWrite ? "w" : "-")
    sink.write(access.allowsExecute ? "x" : "-")
    sink.write(isUser ? " u" : " k")
    sink.write(isGlobal ? " g " : " - ")
    sink.write(cachePolicy.shortName)
  }
}

extension CachePolicy {
  /// The two letters that manuals use.
  var shortName: StaticString {
    switch self {
    case .writeBack: "wb"
    case .writeThrough: "wt"
    case .writeCombining: "wc"
    case .uncacheable: "uc"
    }
  }
}

extension PageSize {
  var shortName: StaticString {
    switch self {
    case .fourKiB: "4K"
    case .twoMiB: "2M"
    case .oneGiB: "1G"
    }
  }
}
