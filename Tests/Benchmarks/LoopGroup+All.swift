internal import CBenchmarks

extension LoopGroup {
  /// Calls `body` with each group, in the order of the report.
  static func visitAll(_ body: (LoopGroup) -> Void) {
    body(frames)
    body(scatteredFrames)
    body(zeroedFrames)
    body(uniqueFrames)
    body(bareFrames)
    body(segmentsOf16)
    body(segmentsOf512)
  }

  private static var frames: LoopGroup {
    LoopGroup(
      allocation: ComparedLoop(
        name: "frame_alloc", loop: allocateFrames, limit: limit_frame_alloc),
      use: ComparedLoop(
        name: "share_drop", loop: shareAndDropFrames, limit: limit_share_drop),
      release: ComparedLoop(
        name: "frame_free", loop: freeFrames, limit: limit_frame_free))
  }

  /// Allocating them is as for the others.
  private static var scatteredFrames: LoopGroup {
    LoopGroup(
      allocation: ComparedLoop(name: "", loop: allocateUncountedFrames, limit: limit_frame_alloc),
      release: ComparedLoop(
        name: "frame_free_scattered", loop: freeScatteredFrames,
        limit: limit_frame_free_scattered))
  }

  /// Freeing them is as for frames that hold anything.
  private static var zeroedFrames: LoopGroup {
    LoopGroup(
      allocation: ComparedLoop(
        name: "frame_alloc_zeroed", loop: allocateZeroedFrames, limit: limit_frame_alloc_zeroed),
      release: ComparedLoop(name: "", loop: freeFrames, limit: limit_frame_free),
      touchesMemory: true)
  }

  private static var uniqueFrames: LoopGroup {
    LoopGroup(
      allocation: ComparedLoop(
        name: "unique_alloc", loop: allocateUniqueFrames, limit: limit_frame_alloc),
      release: ComparedLoop(
        name: "unique_free", loop: freeUniqueFrames, limit: limit_unique_free))
  }

  private static var bareFrames: LoopGroup {
    LoopGroup(
      allocation: ComparedLoop(
        name: "bare_alloc", loop: allocateBareFrames, limit: limit_frame_alloc),
      release: ComparedLoop(
        name: "bare_free", loop: freeBareFrames, limit: limit_unique_free))
  }

  private static var segmentsOf16: LoopGroup {
    LoopGroup(
      allocation: ComparedLoop(
        name: "segment16_alloc", loop: allocateSegmentsOf16, limit: limit_segment16_alloc),
      release: ComparedLoop(
        name: "segment16_free", loop: freeSegmentsOf16, limit: limit_segment16_free),
      framesEach: 16)
  }

  private static var segmentsOf512: LoopGroup {
    LoopGroup(
      allocation: ComparedLoop(
        name: "segment512_alloc", loop: allocateSegmentsOf512, limit: limit_segment512_alloc),
      release: ComparedLoop(
        name: "segment512_free", loop: freeSegmentsOf512, limit: limit_segment512_free),
      framesEach: 512)
  }
}
