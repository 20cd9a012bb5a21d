internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

// Loops that have one cursor over all pages. See FrameLoops.swift for what is common.

@c(benchmark_map_range) @inline(never)
public func mapRange(_ count: Int) {
  // SAFETY: the spaces that stay were made at the start.
  mapHandles(count, in: unsafe Spaces.active.pointee, as: .used)
}

@c(benchmark_setup_fill_space) @inline(never)
public func fillSpace(_ count: Int) {
  // SAFETY: the place holds nothing.
  unsafe Spaces.places.initialize(to: makeSpace())
  mapHandles(count, in: unsafe Spaces.places.pointee, as: .used)
}

@c(benchmark_setup_map_clean_range) @inline(never)
public func mapCleanRange(_ count: Int) {
  // SAFETY: as in `mapRange`.
  mapHandles(count, in: unsafe Spaces.active.pointee, as: .userReadWrite)
}

@c(benchmark_map_range_scattered) @inline(never)
public func mapScatteredRange(_ count: Int) {
  // SAFETY: as in `mapRange`.
  mapHandles(count, in: unsafe Spaces.active.pointee, as: .used, stride: 5003)
}

@c(benchmark_query_range) @inline(never)
public func queryRange(_ count: Int) { queryAll(count) }

@c(benchmark_query_range_scattered) @inline(never)
public func queryScatteredRange(_ count: Int) { queryAll(count) }

@c(benchmark_protect_range) @inline(never)
public func protectRange(_ count: Int) { protectAll(count, to: .read) }

@c(benchmark_setup_unprotect_range) @inline(never)
public func unprotectRange(_ count: Int) { protectAll(count, to: .readWrite) }

@c(benchmark_protect_range_clean) @inline(never)
public func protectCleanRange(_ count: Int) { protectAll(count, to: .read) }

@c(benchmark_unmap_range) @inline(never)
public func unmapRange(_ count: Int) {
  // SAFETY: as in `mapRange`.
  unmapAll(count, of: unsafe Spaces.active.pointee)
}

@c(benchmark_unmap_range_scattered) @inline(never)
public func unmapScatteredRange(_ count: Int) {
  // SAFETY: as in `mapRange`.
  unmapAll(count, of: unsafe Spaces.active.pointee)
}

@c(benchmark_setup_unmap_range) @inline(never)
public func unmapUncountedRange(_ count: Int) {
  // SAFETY: as in `mapRange`.
  unmapAll(count, of: unsafe Spaces.active.pointee)
}

@c(benchmark_fork_range) @inline(never)
public func forkRange(_ count: Int) {
  // SAFETY: as in `mapRange`.
  var source = cursor(over: Spaces.pages(count), of: unsafe Spaces.active.pointee)
  var target = cursor(over: Spaces.pages(count), of: unsafe Spaces.copy.pointee)
  do throws(TesseraError) { try target.copy(from: &source, byteCount(count)) } catch { stop() }
}

@c(benchmark_setup_drop_fork) @inline(never)
public func dropFork(_ count: Int) {
  // SAFETY: as in `mapRange`.
  unmapAll(count, of: unsafe Spaces.copy.pointee)
}

@c(benchmark_teardown) @inline(never)
public func tearDown(_ count: Int) {
  // SAFETY: `fillSpace` made the space.
  unsafe Spaces.places.deinitialize(count: 1)
}

extension PageProperty {
  /// That of a page that a program has written.
  @inline(__always)
  fileprivate static var used: PageProperty {
    PageProperty.userReadWrite.with(isAccessed: true, isDirty: true)
  }
}

/// Maps the frames of `count` handles, every `stride`-th one next. For strides but 1, `count` is a
/// power of two.
@inline(__always)
private func mapHandles(
  _ count: Int, in space: borrowing VmSpace, as property: PageProperty, stride: Int = 1
) {
  // SAFETY: `allocateFrames` put `count` handles there, and an odd stride meets each of them once.
  let places = unsafe Handles.places(of: Frame<PlainMemory>.self)
  var index = 0
  var cursor = cursor(over: Spaces.pages(count), of: space)
  do throws(TesseraError) {
    try cursor.map(pageCount: count, as: property) {
      let frame = unsafe (places + index).move()
      index = stride == 1 ? index &+ 1 : (index &+ stride) & (count &- 1)
      return frame
    }
  } catch { stop() }
}

@inline(__always)
private func queryAll(_ count: Int) {
  // SAFETY: as in `mapRange`.
  var cursor = cursor(over: Spaces.pages(count), of: unsafe Spaces.active.pointee)
  var mapped: UInt64 = 0
  cursor.forEachRun(within: byteCount(count)) { run in
    if case .mapped = run.content { mapped += run.byteCount }
  }
  require(mapped == byteCount(count), "a benchmark's query missed a page")
}

@inline(__always)
private func protectAll(_ count: Int, to access: PageAccess) {
  // SAFETY: as in `mapRange`.
  var cursor = cursor(over: Spaces.pages(count), of: unsafe Spaces.active.pointee)
  do throws(TesseraError) {
    let changed = try cursor.protect(byteCount(count), to: access)
    require(changed == byteCount(count), "a benchmark's protection missed a page")
  } catch { stop() }
}

@inline(__always)
private func unmapAll(_ count: Int, of space: borrowing VmSpace) {
  var cursor = cursor(over: Spaces.pages(count), of: space)
  do throws(TesseraError) {
    let unmapped = try cursor.unmap(byteCount(count))
    require(unmapped == byteCount(count), "a benchmark's removal missed a page")
  } catch { stop() }
}

/// The bytes of `count` pages.
@inline(__always)
func byteCount(_ count: Int) -> UInt64 { UInt64(count) << 12 }

@inline(__always)
@_lifetime(borrow space)
func cursor(over range: Range<VirtualAddress>, of space: borrowing VmSpace) -> Cursor {
  do throws(TesseraError) { return try space.cursor(over: range) } catch {
    panic("a benchmark asked for a range that there is not")
  }
}

@inline(never)
func stop() -> Never { panic("a benchmark's change failed") }
