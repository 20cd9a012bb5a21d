internal import CBenchmarks

extension LoopGroup {
  /// Calls `body` with each group, in the order of the report.
  static func visitAll(_ body: (LoopGroup) -> Void) {
    visitFrames(body)
    visitPageTables(body)
    visitPager(body)
  }

  private static func visitFrames(_ body: (LoopGroup) -> Void) {
    body(frames)
    body(scatteredFrames)
    body(zeroedFrames)
    body(uniqueFrames)
    body(bareFrames)
    body(segmentsOf16)
    body(segmentsOf512)
  }

  private static var frames: LoopGroup {
    var group = LoopGroup()
    group.add("frame_alloc", allocateFrames, limit_frame_alloc)
    group.add("share_drop", shareAndDropFrames, limit_share_drop)
    group.add("frame_free", freeFrames, limit_frame_free)
    return group
  }

  /// Allocating them is as for the others.
  private static var scatteredFrames: LoopGroup {
    var group = LoopGroup()
    group.add("", allocateUncountedFrames, limit_frame_alloc)
    group.add("frame_free_scattered", freeScatteredFrames, limit_frame_free_scattered)
    return group
  }

  /// Freeing them is as for frames that hold anything.
  private static var zeroedFrames: LoopGroup {
    var group = LoopGroup(touchesMemory: true)
    group.add("frame_alloc_zeroed", allocateZeroedFrames, limit_frame_alloc_zeroed)
    group.add("", freeFrames, limit_frame_free)
    return group
  }

  private static var uniqueFrames: LoopGroup {
    var group = LoopGroup()
    group.add("unique_alloc", allocateUniqueFrames, limit_frame_alloc)
    group.add("unique_free", freeUniqueFrames, limit_unique_free)
    return group
  }

  private static var bareFrames: LoopGroup {
    var group = LoopGroup()
    group.add("bare_alloc", allocateBareFrames, limit_frame_alloc)
    group.add("bare_free", freeBareFrames, limit_unique_free)
    return group
  }

  private static var segmentsOf16: LoopGroup {
    var group = LoopGroup(framesEach: 16)
    group.add("segment16_alloc", allocateSegmentsOf16, limit_segment16_alloc)
    group.add("segment16_free", freeSegmentsOf16, limit_segment16_free)
    return group
  }

  private static var segmentsOf512: LoopGroup {
    var group = LoopGroup(framesEach: 512)
    group.add("segment512_alloc", allocateSegmentsOf512, limit_segment512_alloc)
    group.add("segment512_free", freeSegmentsOf512, limit_segment512_free)
    return group
  }
}
