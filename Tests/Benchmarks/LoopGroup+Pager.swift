internal import CBenchmarks

extension LoopGroup {
  /// Calls `body` with each group of loops over what the pager does. Only as many pages as are hot:
  /// there is memory for no copies of the others.
  static func visitPager(_ body: (LoopGroup) -> Void) {
    body(cachedObject)
    body(clock)
    body(clockOverOtherFrames)
    body(writeBack)
    body(swapping)
    body(pagesOfOneSpace)
    body(pagesOfTwoSpaces)
    body(pagesOfManySpaces)
    body(forksWithOnePage)
    body(forksWithTable)
  }

  /// Pages of an object that are in memory: found, read by the kernel, and mapped by faults.
  private static var cachedObject: LoopGroup {
    var group = LoopGroup(isHotOnly: true)
    group.add("", makeCachedObject, limit_frame_alloc)
    group.add("", mapObject, limit_map_range)
    group.add("object_lookup", lookUpPages, limit_translate)
    group.add("object_read", readObject, limit_translate)
    group.add("fault_object", readObjectPages, limit_translate)
    group.add("", mapObjectAnew, limit_nothing)
    group.add("fault_around", readObjectBlocks, limit_translate)
    group.add("", mapObjectPrivately, limit_nothing)
    group.add("fault_object_copy", writePrivatePages, limit_copy_page)
    group.add("", endPager, limit_unmap_range)
    return group
  }

  /// The clock meets a part of the pages, whose frames are next to each other.
  private static var clock: LoopGroup {
    var group = LoopGroup(framesEach: 8, isHotOnly: true)
    group.add("", makeCleanPages, limit_nothing)
    group.add("", goToPages, limit_nothing)
    group.add("clock_young", visitYoungPages, limit_translate)
    group.add("", goToPages, limit_nothing)
    group.add("evict_clean", evictCleanPages, limit_translate)
    group.add("", endPager, limit_nothing)
    return group
  }

  private static var clockOverOtherFrames: LoopGroup {
    var group = LoopGroup(isHotOnly: true)
    group.add("", makeNoPages, limit_nothing)
    group.add("clock_other", visitOtherFrames, limit_translate)
    group.add("", endPager, limit_nothing)
    return group
  }

  private static var writeBack: LoopGroup {
    var group = LoopGroup(isHotOnly: true)
    group.add("", makeDirtyPages, limit_nothing)
    group.add("write_back", writePagesBack, limit_translate)
    group.add("", endPager, limit_nothing)
    return group
  }

  /// As for the clock.
  private static var swapping: LoopGroup {
    var group = LoopGroup(framesEach: 8, isHotOnly: true)
    group.add("", makePagesToSwap, limit_nothing)
    group.add("", makePagesOld, limit_nothing)
    group.add("swap_out", swapPagesOut, limit_translate)
    group.add("", findSwappedPages, limit_nothing)
    group.add("fault_swapped", readSwappedPages, limit_translate)
    group.add("", endPager, limit_nothing)
    return group
  }

  private static var pagesOfOneSpace: LoopGroup {
    var group = LoopGroup(isHotOnly: true)
    group.add("", makePagesOfOne, limit_nothing)
    group.add("rmap_1", findOneSpace, limit_translate)
    group.add("", endPager, limit_nothing)
    return group
  }

  private static var pagesOfTwoSpaces: LoopGroup {
    var group = LoopGroup(isHotOnly: true)
    group.add("", makePagesOfTwo, limit_nothing)
    group.add("rmap_2", findTwoSpaces, limit_translate)
    group.add("", endPager, limit_nothing)
    return group
  }

  private static var pagesOfManySpaces: LoopGroup {
    var group = LoopGroup(isHotOnly: true)
    group.add("", makePagesOfMany, limit_nothing)
    group.add("rmap_64", findManySpaces, limit_translate)
    group.add("", endPager, limit_nothing)
    return group
  }

  /// Forks, each counted as one.
  private static var forksWithOnePage: LoopGroup {
    var group = LoopGroup(framesEach: 64, isHotOnly: true)
    group.add("", attachOnePage, limit_nothing)
    group.add("fork_attached_1", forkWithOnePage, limit_translate)
    group.add("", endPager, limit_nothing)
    return group
  }

  private static var forksWithTable: LoopGroup {
    var group = LoopGroup(framesEach: 64, isHotOnly: true)
    group.add("", attachTableOfPages, limit_nothing)
    group.add("fork_attached_512", forkWithTableOfPages, limit_translate)
    group.add("", endPager, limit_nothing)
    return group
  }
}
