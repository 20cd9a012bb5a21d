internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

extension StaleDetector {
  /// The addresses of the scenes, 2 MiB aligned: the table of pages, the large page, the table that
  /// is removed, and 2 MiB of the kernel virtual area.
  private static var pageScene: UInt64 { 0x1000_0000 }
  private static var largeScene: UInt64 { 0x2000_0000 }
  private static var tableScene: UInt64 { 0x3000_0000 }
  private static var kernelScene: UInt64 { KernelSpace.area.lowerBound.rawValue + (1 << 38) }

  /// The address that is accessed in `round`: a different page and word each time.
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

  /// The offset of one of `count` pages. The odd stride visits all of them.
  private static func page(_ round: UInt64, of count: UInt64) -> UInt64 {
    round &* 37 % count * 4096
  }

  private func pages(_ place: UInt64, _ count: UInt64 = 1) -> Pages {
    Pages(at: place & ~4095, count)
  }

  /// Maps the pages for the change. A page that is never changed keeps the table from becoming
  /// empty, because removing a table invalidates everything.
  func prepare(_ change: Change, _ place: UInt64) throws(TesseraError) {
    switch change.scene {
    case .page:
      try mapNeighbor(Self.pageScene + 511 * 4096)
      let property: PageProperty = change == .forbidExecution ? .userReadExecute : .userReadWrite
      try mapOld(pages(place), as: property)
    case .manyPages:
      try mapNeighbor(Self.pageScene + 511 * 4096)
      let pages = manyPages(change, place)
      if change == .unmapApart {
        try mapOld(self.pages(pages.start), as: .userReadWrite)
        try mapOld(self.pages(place), as: .userReadWrite)
      } else {
        try mapBlock(pages)
      }
    case .large:
      try mapBlock(Pages(at: Self.largeScene, 512))
    case .table:
      try mapOld(pages(place), as: .userReadWrite)
      if !change.usesPageBefore {
        // Another page of the table, so that the entry above is cached.
        try mapOld(pages(place ^ 4096), as: .userReadWrite)
        _ = accessor.read(place ^ 4096)
      }
    case .kernelPage:
      try mapInKernel(Pages(at: Self.kernelScene + 511 * 4096), as: .kernelRead)
      try mapInKernel(pages(place), as: .kernelReadWrite)
    }
  }

  /// Makes the change through a cursor, which is closed before this returns.
  func carryOut(_ change: Change, _ place: UInt64) throws(TesseraError) {
    switch change {
    case .unmap:
      try space.withCursor(over: pages(place).range) { cursor throws(TesseraError) in
        try cursor.unmap(4096)
      }
    case .removeWriting:
      try space.withCursor(over: pages(place).range) { cursor throws(TesseraError) in
        try cursor.change(4096, by: PageChange(removing: .write))
      }
    case .forbidExecution:
      try protect(pages(place), to: .read)
    case .removeAccess:
      try protect(pages(place), to: .none)
    case .replace:
      try space.withCursor(over: pages(place).range) { cursor throws(TesseraError) in
        try cursor.replace(sharing: new, as: .userReadWrite)
      }
    case .clearAccessed:
      try space.withCursor(over: pages(place).range) { cursor throws(TesseraError) in
        cursor.clearAccessed(4096)
      }
    case .clearDirty:
      try space.withCursor(over: pages(place).range) { cursor throws(TesseraError) in
        cursor.clearDirty(4096)
      }
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
      // More than the table spans, so that the cursor locks the table above.
      try unmap(Pages(at: Self.tableScene, 1024))
    case .unmapKernelPage:
      try KernelSpace.withCursor(over: pages(place).range) { cursor throws(TesseraError) in
        try cursor.unmap(4096)
      }
    case .protectKernelPage:
      try KernelSpace.withCursor(over: pages(place).range) { cursor throws(TesseraError) in
        try cursor.protect(4096, to: .read)
      }
    case .unmapWhileAway:
      accessor.activate(child)
      try unmap(pages(place))
      accessor.activate(space)
    }
  }

  /// Unmaps the rest of the scene, except the neighbor.
  func restore(_ change: Change, _ place: UInt64) throws(TesseraError) {
    switch change.scene {
    case .page: try unmap(pages(place))
    case .manyPages: try unmap(manyPages(change, place))
    case .large: try unmap(Pages(at: Self.largeScene, 512))
    case .table: try unmap(Pages(at: Self.tableScene, 512))
    case .kernelPage:
      try KernelSpace.withCursor(over: pages(place).range) { cursor throws(TesseraError) in
        try cursor.unmap(4096)
      }
    }
    guard change == .shareForFork else { return }
    let page = pages(place)
    try child.withCursor(over: page.range) { cursor throws(TesseraError) in
      try cursor.unmap(page.byteCount)
    }
  }
}

extension StaleDetector {
  /// Unmaps the rest of the kernel's scene; the others are destroyed with the space.
  func clearKernelScene() throws(TesseraError) {
    try KernelSpace.withCursor(over: Pages(at: Self.kernelScene, 512).range) {
      cursor throws(TesseraError) in
      try cursor.unmap(PageSize.twoMiB.byteCount)
    }
  }

  /// The pages that change together, of which the last is accessed.
  private func manyPages(_ change: Change, _ place: UInt64) -> Pages {
    let count: UInt64 = change == .unmapManyPages ? 64 : 8
    return Pages(at: (place & ~4095) - (count - 1) * 4096, count)
  }

  /// Maps the old frame in all of `pages`.
  private func mapOld(_ pages: Pages, as property: PageProperty) throws(TesseraError) {
    try space.withCursor(over: pages.range) { cursor throws(TesseraError) in
      while !cursor.isAtEnd { try cursor.map(sharing: old, as: property) }
    }
  }

  /// Maps the block without references to its frames: the deferred free of so many would overflow,
  /// and everything would be invalidated early.
  private func mapBlock(_ pages: Pages) throws(TesseraError) {
    let address = block.address
    try space.withCursor(over: pages.range) { cursor throws(TesseraError) in
      // SAFETY: the detector keeps the block for as long as the pages are mapped.
      try unsafe cursor.mapDevice(address, byteCount: pages.byteCount, as: .userReadWrite)
    }
  }

  private func mapInKernel(_ pages: Pages, as property: PageProperty) throws(TesseraError) {
    guard KernelSpace.translate(VirtualAddress(pages.start)) == nil else { return }
    try KernelSpace.withCursor(over: pages.range) { cursor throws(TesseraError) in
      try cursor.map(sharing: old, as: property)
    }
  }

  private func mapNeighbor(_ place: UInt64) throws(TesseraError) {
    guard space.translate(VirtualAddress(place)) == nil else { return }
    try mapOld(Pages(at: place), as: .userRead)
  }

  private func unmap(_ pages: Pages) throws(TesseraError) {
    try space.withCursor(over: pages.range) { cursor throws(TesseraError) in
      try cursor.unmap(pages.byteCount)
    }
  }

  private func protect(_ pages: Pages, to access: PageAccess) throws(TesseraError) {
    try space.withCursor(over: pages.range) { cursor throws(TesseraError) in
      try cursor.protect(pages.byteCount, to: access)
    }
  }

  /// Copies the pages to the child, as a fork does.
  private func copyToChild(_ pages: Pages) throws(TesseraError) {
    try space.withCursor(over: pages.range) { source throws(TesseraError) in
      try child.withCursor(over: pages.range) { cursor throws(TesseraError) in
        try cursor.copy(from: &source, pages.byteCount)
      }
    }
  }
}
