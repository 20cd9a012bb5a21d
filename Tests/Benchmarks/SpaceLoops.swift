internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

// Loops over address spaces. See FrameLoops.swift for what is common.

@c(benchmark_space_new) @inline(never)
public func makeSpaces(_ count: Int) { makeAnySpaces(count) }

/// The same where roots wait that have the kernel's half already.
@c(benchmark_space_new_recycled) @inline(never)
public func makeSpacesOfOldRoots(_ count: Int) { makeAnySpaces(count) }

/// The same where it is not what is measured.
@c(benchmark_setup_space_new) @inline(never)
public func makeUncountedSpaces(_ count: Int) { makeAnySpaces(count) }

@c(benchmark_space_drop) @inline(never)
public func dropSpaces(_ count: Int) { dropAnySpaces(count) }

/// The same where it is not what is measured.
@c(benchmark_setup_space_drop) @inline(never)
public func dropUncountedSpaces(_ count: Int) { dropAnySpaces(count) }

/// Leaves no node that waits to be used again.
@c(benchmark_setup_drain) @inline(never)
public func drainNodes(_ count: Int) { NodePool.drain() }

@inline(__always)
private func makeAnySpaces(_ count: Int) {
  // SAFETY: the places hold nothing.
  for index in 0..<count { unsafe (Spaces.places + index).initialize(to: makeSpace()) }
}

@inline(__always)
private func dropAnySpaces(_ count: Int) {
  // SAFETY: a loop before this one put `count` spaces there.
  for index in 0..<count { unsafe (Spaces.places + index).deinitialize(count: 1) }
}

@inline(__always)
func makeSpace() -> VmSpace {
  do throws(TesseraError) { return try VmSpace() } catch { panic("a benchmark ran out of frames") }
}
