internal import CBenchmarks

extension LoopGroup {
  /// Calls `body` with each group of loops over page tables.
  static func visitPageTables(_ body: (LoopGroup) -> Void) {
    body(ranges)
    body(teardown)
    body(cleanPages)
    body(scatteredPages)
    body(pages)
    body(allocatedPages)
    body(faults)
    body(largePages)
    body(tables)
    body(spaces)
    body(recycledSpaces)
  }

  /// One cursor over all pages. They are accessed and dirty, as pages in use are.
  private static var ranges: LoopGroup {
    var group = LoopGroup()
    group.add("", allocateUncountedFrames, limit_frame_alloc)
    group.add("map_range", mapRange, limit_map_range)
    group.add("query_range", queryRange, limit_query_range)
    group.add("translate", translatePages, limit_translate)
    group.add("protect_range", protectRange, limit_protect_range)
    group.add("", unprotectRange, limit_protect_range)
    group.add("fork_range", forkRange, limit_fork_range)
    group.add("", dropFork, limit_drop_fork)
    group.add("unmap_range", unmapRange, limit_unmap_range)
    return group
  }

  private static var teardown: LoopGroup {
    var group = LoopGroup()
    group.add("", allocateUncountedFrames, limit_frame_alloc)
    group.add("", fillSpace, limit_map_range)
    group.add("teardown", tearDown, limit_unmap_range)
    return group
  }

  /// Pages that are not dirty: taking the right to write from one must not lose a dirty bit that
  /// comes at that moment, which takes an atomic exchange.
  private static var cleanPages: LoopGroup {
    var group = LoopGroup()
    group.add("", allocateUncountedFrames, limit_frame_alloc)
    group.add("", mapCleanRange, limit_map_range)
    group.add("protect_range_clean", protectCleanRange, limit_protect_range)
    group.add("", unmapUncountedRange, limit_unmap_range)
    return group
  }

  /// Pages whose frames are not contiguous.
  private static var scatteredPages: LoopGroup {
    var group = LoopGroup()
    group.add("", allocateUncountedFrames, limit_frame_alloc)
    group.add("map_range_scattered", mapScatteredRange, limit_map_range)
    group.add("query_range_scattered", queryScatteredRange, limit_query_range)
    group.add("unmap_range_scattered", unmapScatteredRange, limit_unmap_range)
    return group
  }

  /// A cursor for each page.
  private static var pages: LoopGroup {
    var group = LoopGroup()
    group.add("", allocateUncountedFrames, limit_frame_alloc)
    group.add("map_page", mapPages, limit_map_page)
    group.add("unmap_page", unmapPages, limit_unmap_page)
    return group
  }

  private static var allocatedPages: LoopGroup {
    var group = LoopGroup()
    group.add("alloc_map_page", allocateAndMapPages, limit_alloc_map_page)
    group.add("", unmapUncountedRange, limit_unmap_range)
    return group
  }

  /// Page faults; a child that is forked in between, whose pages the parent copies; and accesses of
  /// the kernel to user memory, of a word and of whole pages.
  private static var faults: LoopGroup {
    var group = LoopGroup(framesEach: 4)
    group.add("", reservePages, limit_nothing)
    group.add("fault_zeros", readFreshPages, limit_translate)
    group.add("fault_zeroed", writeFreshPages, limit_translate)
    group.add("", dirtyPages, limit_nothing)
    group.add("fork", forkSpace, limit_translate)
    group.add("fault_copy", writeSharedPages, limit_translate)
    group.add("fault_takeover", writeLeftPages, limit_translate)
    group.add("user_store", storeToPages, limit_translate)
    group.add("user_write_page", writePages, limit_copy_page)
    group.add("user_read_page", readPages, limit_copy_page)
    group.add("", dropChild, limit_nothing)
    group.add("", unmapUncountedRange, limit_nothing)
    return group
  }

  /// Pages of 2 MiB of a device, one for each 4 KiB page of the other rows.
  private static var largePages: LoopGroup {
    var group = LoopGroup()
    group.add("map_huge", mapLargePages, limit_map_huge)
    group.add("", unmapLargePages, limit_unmap_huge)
    return group
  }

  /// One page in each table: as few as the pool has nodes for in the hot pattern.
  private static var tables: LoopGroup {
    var group = LoopGroup(framesEach: 128)
    group.add("", allocateUncountedFrames, limit_frame_alloc)
    group.add("map_table_each", mapOnePagePerTable, limit_map_table_each)
    group.add("", unmapTables, limit_unmap_tables)
    return group
  }

  /// Spaces whose roots are fresh frames: cleared, and given the kernel's half.
  private static var spaces: LoopGroup {
    var group = LoopGroup(framesEach: 256)
    group.add("", drainNodes, limit_nothing)
    group.add("space_new", makeSpaces, limit_space_new)
    group.add("space_drop", dropSpaces, limit_frame_free)
    return group
  }

  /// Spaces whose roots are those of spaces that have gone: as few as the pool keeps.
  private static var recycledSpaces: LoopGroup {
    var group = LoopGroup(framesEach: 256, isHotOnly: true)
    group.add("", makeUncountedSpaces, limit_space_new)
    group.add("", dropUncountedSpaces, limit_frame_free)
    group.add("space_new_recycled", makeSpacesOfOldRoots, limit_frame_alloc)
    group.add("", dropUncountedSpaces, limit_frame_free)
    return group
  }
}
