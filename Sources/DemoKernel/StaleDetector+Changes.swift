internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

extension StaleDetector {
  /// Where the scenes are, each a multiple of 2 MiB: a table for the pages, the large page, the
  /// table that is removed, and 2 MiB of the kernel's area.
  private static var pageScene: UInt64 { 0x1000_0000 }
  private static var largeScene: UInt64 { 0x2000_0000 }
  private static var tableScene: UInt64 { 0x3000_0000 }
  private static var kernelScene: UInt64 { KernelSpace.area.lowerBound.rawValue + (1 << 38) }

  /// The byte that is accessed in `round`: in each another page of 2 MiB, and another word of it.
  func place(of change: Change, _ round: UInt64) -> UInt64 {
    let byte = round * 8 % 4096
    switch change.scene {
    case .page: return Self.pageScene + Self.page(round, of: 500) + byte
    case .manyPages: return Self.pageScene + 63 * 4096 + Self.page(round, of: 400) + byte
    case .large: return Self.largeScene + Self.page(round, of: 512) + byte
    case .table: return Self.tableScene + Self.page(round, of: 512) + byte
    case .kernelPage: return Self.kernelScene + Self.page(round, of: 500) + byte
    }
  }

  /// The offset of one of `count` pages. Odd steps reach all of them.
  private static func page(_ round: UInt64, of count: UInt64) -> UInt64 {
    round &* 37 % count * 4096
  }

  private func pages(_ place: UInt64, _ count: UInt64 = 1) -> Pages {
    Pages(at: place & ~4095, count)
  }

  /// Maps what the change needs. A page that is never changed keeps the tables from being emptied,
  /// for removing a table would invalidate everything.
  func prepare(_ change: Change, _ place: UInt64) throws(Refusal) {
    switch change.scene {
    case .page:
      try mapNeighbour(Self.pageScene + 511 * 4096)
      let property: PageProperty = change == .forbidExecution ? .userReadExecute : .userReadWrite
      try show(pages(place), as: property)
    case .manyPages:
      try mapNeighbour(Self.pageScene + 511 * 4096)
      let pages = manyPages(change, place)
      if change == .unmapApart {
        try show(self.pages(pages.start), as: .userReadWrite)
        try show(self.pages(place), as: .userReadWrite)
      } else {
        try showBlock(pages)
      }
    case .large:
      try showBlock(Pages(at: Self.largeScene, 512))
    case .table:
      try show(pages(place), as: .userReadWrite)
      if !change.usesPageBefore {
        // Another page of the table, so that the entry above it is cached.
        try show(pages(place ^ 4096), as: .userReadWrite)
        _ = UserAccess.read(place ^ 4096)
      }
    case .kernelPage:
      try showInKernel(Pages(at: Self.kernelScene + 511 * 4096), as: .kernelRead)
      try showInKernel(pages(place), as: .kernelReadWrite)
    }
  }

  /// Makes the change through a cursor, which is gone when this returns.
  func carryOut(_ change: Change, _ place: UInt64) throws(Refusal) {
    switch change {
    case .unmap:
      try pages(place).change(in: space) { cursor throws(MapError) in try cursor.unmap(4096) }
    case .removeWriting:
      try protect(pages(place), to: .read)
    case .forbidExecution:
      try protect(pages(place), to: .read)
    case .takeAccess:
      try protect(pages(place), to: .none)
    case .replace:
      try pages(place).change(in: space) { cursor throws(MapError) in
        try cursor.replace(sharing: new, as: .userReadWrite)
      }
    case .clearAccessed:
      try pages(place).change(in: space) { cursor throws(MapError) in cursor.clearAccessed(4096) }
    case .clearDirty:
      try pages(place).change(in: space) { cursor throws(MapError) in cursor.clearDirty(4096) }
    case .unmapRange, .unmapApart, .unmapManyPages:
      try unmap(manyPages(change, place))
    case .shareForFork:
      try copyToChild(pages(place))
    case .splitToUnmap:
      try unmap(pages(place))
    case .splitToProtect:
      try protect(pages(place), to: .read)
    case .unmapLarge:
      try unmap(Pages(at: Self.largeScene, 512))
    case .removeTable, .removeTableAboveUnused:
      // More than the table spans, so that the cursor holds the table above.
      try unmap(Pages(at: Self.tableScene, 1024))
    case .unmapKernelPage:
      try pages(place).changeInKernel { cursor throws(MapError) in try cursor.unmap(4096) }
    case .protectKernelPage:
      try pages(place).changeInKernel { cursor throws(MapError) in
        try cursor.protect(4096, to: .read)
      }
    }
  }

  /// Unmaps what is left of the scene, but for the neighbour.
  func restore(_ change: Change, _ place: UInt64) throws(Refusal) {
    switch change.scene {
    case .page: try unmap(pages(place))
    case .manyPages: try unmap(manyPages(change, place))
    case .large: try unmap(Pages(at: Self.largeScene, 512))
    case .table: try unmap(Pages(at: Self.tableScene, 512))
    case .kernelPage:
      try pages(place).changeInKernel { cursor throws(MapError) in try cursor.unmap(4096) }
    }
    guard change == .shareForFork else { return }
    let page = pages(place)
    try page.change(in: child) { cursor throws(MapError) in try cursor.unmap(page.byteCount) }
  }
}

extension StaleDetector {
  /// Unmaps what is left in the kernel's half; the rest goes with the space.
  func clearKernelScene() throws(Refusal) {
    try Pages(at: Self.kernelScene, 512).changeInKernel { cursor throws(MapError) in
      try cursor.unmap(PageSize.twoMiB.byteCount)
    }
  }

  /// The pages that are changed at once, of which the last is accessed.
  private func manyPages(_ change: Change, _ place: UInt64) -> Pages {
    let count: UInt64 = change == .unmapManyPages ? 64 : 8
    return Pages(at: (place & ~4095) - (count - 1) * 4096, count)
  }

  /// Maps the old frame in all of `pages`.
  private func show(_ pages: Pages, as property: PageProperty) throws(Refusal) {
    try pages.change(in: space) { cursor throws(MapError) in
      while !cursor.isAtEnd { try cursor.map(sharing: old, as: property) }
    }
  }

  /// Maps the block from its start on, which needs no counts: so many shared frames could not be
  /// held back at once, and everything would be invalidated early.
  private func showBlock(_ pages: Pages) throws(Refusal) {
    let address = block.address
    try pages.change(in: space) { cursor throws(MapError) in
      // SAFETY: the detector keeps the block for as long as the pages are mapped.
      try unsafe cursor.mapDevice(address, byteCount: pages.byteCount, as: .userReadWrite)
    }
  }

  private func showInKernel(_ pages: Pages, as property: PageProperty) throws(Refusal) {
    guard KernelSpace.translate(VirtualAddress(pages.start)) == nil else { return }
    try pages.changeInKernel { cursor throws(MapError) in
      try cursor.map(sharing: old, as: property)
    }
  }

  private func mapNeighbour(_ place: UInt64) throws(Refusal) {
    guard space.translate(VirtualAddress(place)) == nil else { return }
    try show(Pages(at: place), as: .userRead)
  }

  private func unmap(_ pages: Pages) throws(Refusal) {
    try pages.change(in: space) { cursor throws(MapError) in try cursor.unmap(pages.byteCount) }
  }

  private func protect(_ pages: Pages, to access: PageAccess) throws(Refusal) {
    try pages.change(in: space) { cursor throws(MapError) in
      try cursor.protect(pages.byteCount, to: access)
    }
  }

  /// Makes the child show what the space shows, as a fork does.
  private func copyToChild(_ pages: Pages) throws(Refusal) {
    try pages.change(in: space) { source throws(MapError) in
      var failure: Refusal?
      do throws(Refusal) {
        try pages.change(in: child) { cursor throws(MapError) in
          try cursor.copy(from: &source, pages.byteCount)
        }
      } catch { failure = error }
      if case .map(let error)? = failure { throw error }
      if failure != nil { throw .outOfFrames }
    }
  }
}
