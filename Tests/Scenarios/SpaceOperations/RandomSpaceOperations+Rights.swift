internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables

// The rights of pages: what a fork makes of them, and changes of them by mask.

extension RandomSpaceOperations {
  /// Notes that the page gets the rights `access`, as far as forks allow it.
  mutating func noteRights(
    of index: Int, _ number: Int, _ access: PageAccess, mayGiveWriting: Bool
  ) {
    var page = modelPage(index, of: number)
    if mayGiveWriting && page.isShared && ownerCount(of: page) == 1 {
      page.isShared = false
    }
    page.setRights(access)
    models[number][index] = page
  }

  /// How many references there are to the frame of a page.
  ///
  /// Not counted by the model, which does not know how a block is divided into leaves, and that the
  /// open cursor keeps references of pages that it has unmapped until it flushes them. That the
  /// counts are right is checked once it is closed.
  private mutating func ownerCount(of page: ModelPage) -> UInt64 {
    FrameTable.slot(number: physical(page) >> 12).head.count
  }

  mutating func change(_ cursor: inout Cursor, _ number: Int, _ cells: Range<Int>) {
    let mask = chooseMask()
    note(.change, number, cells, value: mask.word)
    arm()
    do throws(TesseraError) {
      let byteCount = try cursor.change(world(number).byteCount(cells), by: mask.change)
      expectSuccess(cursor, number, cells, nil)
      var expected: UInt64 = 0
      for index in cells where modelPage(index, of: number).isMapped {
        let before = modelPage(index, of: number)
        note(mask, of: index, number)
        if modelPage(index, of: number) != before {
          expected += world(number).byteCount(index..<index + 1)
        }
      }
      expect(byteCount == expected, "a change says how much was changed")
    } catch {
      expectError(error, nil)
      expectUnmoved(cursor, number, cells)
    }
    disarm()
  }

  /// Notes what `mask` makes of a page.
  private mutating func note(_ mask: RightsMask, of index: Int, _ number: Int) {
    let page = modelPage(index, of: number)
    if mask.touchesRights {
      noteRights(
        of: index, number, mask.access(after: page.property),
        mayGiveWriting: mask.added.contains(.write))
    }
    var property = modelPage(index, of: number).property
    property.software = property.software & ~mask.clearedSoftware | mask.setSoftware
    if let policy = mask.cachePolicy { property.cachePolicy = policy }
    models[number][index].property = property
  }

  private mutating func chooseMask() -> RightsMask {
    var mask = RightsMask()
    (mask.removed, mask.added) =
      switch generator.below(10) {
      case 0, 1: (.write, .none)
      case 2: (.execute, .none)
      case 3: (.read, .none)
      case 4: (.none, .read)
      case 5, 6: (.execute, .read.union(.write))
      case 7: (.execute, .write)
      case 8: (.write, .read.union(.execute))
      default: (.none, .none)
      }
    mask.clearedSoftware = UInt8(generator.below(4))
    mask.setSoftware = UInt8(generator.below(4))
    if generator.oneIn(3) { mask.cachePolicy = CachePolicy(rawValue: UInt8(generator.below(4))) }
    return mask
  }
}

/// A change by mask, as the model reads it.
private struct RightsMask {
  var removed = PageChange.Rights.none
  var added = PageChange.Rights.none
  var clearedSoftware: UInt8 = 0
  var setSoftware: UInt8 = 0
  var cachePolicy: CachePolicy?

  var touchesRights: Bool { removed != .none || added != .none }

  var change: PageChange {
    PageChange(
      removing: removed, adding: added, clearingSoftware: clearedSoftware,
      settingSoftware: setSoftware, cachePolicy: cachePolicy)
  }

  /// What the log says of it.
  var word: UInt64 {
    UInt64(removed.rawValue) | UInt64(added.rawValue) << 4 | UInt64(clearedSoftware) << 8
      | UInt64(setSoftware) << 12 | UInt64(cachePolicy?.rawValue ?? 7) << 16
  }

  func access(after property: PageProperty) -> PageAccess {
    let isWritable =
      property.access.allowsWrite || property.isCopyOnWrite && property.access.allowsRead
    func has(_ right: PageChange.Rights, _ had: Bool) -> Bool {
      added.contains(right) || had && !removed.contains(right)
    }
    guard has(.read, property.access.allowsRead) else { return .none }
    if has(.write, isWritable) { return .readWrite }
    return has(.execute, property.access.allowsExecute) ? .readExecute : .read
  }
}

extension ModelPage {
  /// Gives the page rights that nothing but a fork withholds.
  mutating func setRights(_ access: PageAccess) {
    property.access = isShared && access == .readWrite ? .read : access
    if isShared && (access == .readWrite || access == .none) { property.setCopyOnWrite() }
  }

  /// A fork shares the frame.
  mutating func noteFork() {
    isShared = true
    if property.access == .readWrite || property.access == .none {
      setRights(property.access)
    }
  }
}

extension PageProperty {
  fileprivate mutating func setCopyOnWrite() {
    self = PageProperty(entryBits: bits | PageTableEntry.copyOnWrite)
  }
}
