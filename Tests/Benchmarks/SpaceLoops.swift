internal import TesseraFrames
internal import TesseraHardware
internal import TesseraSpaces

// Loops over address spaces. See FrameLoops.swift for what is common.

@c(benchmark_space_new) @inline(never)
public func makeSpaces(_ count: Int) {
  // SAFETY: the places hold nothing.
  for index in 0..<count { unsafe (Spaces.places + index).initialize(to: makeSpace()) }
}

@c(benchmark_space_drop) @inline(never)
public func dropSpaces(_ count: Int) {
  // SAFETY: `makeSpaces` put `count` spaces there.
  for index in 0..<count { unsafe (Spaces.places + index).deinitialize(count: 1) }
}

@inline(__always)
func makeSpace() -> VmSpace {
  do throws(FrameError) { return try VmSpace() } catch { panic("a benchmark ran out of frames") }
}
