internal import TesseraFaults
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraPager
internal import TesseraSpaces

// Loops over what the pager's clock meets, and over pages that go to a store or come from one. The
// clock visits frames in their order: there are four times as many pages as it meets, so that some
// of their frames are next to each other.

/// How many frames the clock has visited since the pager was started. Access: by the one thread of
/// the benchmarks.
nonisolated(unsafe) private var visitedCount = 0
/// The first frame that the rows are about. Access: as above.
nonisolated(unsafe) private var firstFrame = 0

/// Makes the pager and a space without pages.
@c(benchmark_setup_no_pages) @inline(never)
public func makeNoPages(_ count: Int) { PagedSpace.start() }

@c(benchmark_clock_other) @inline(never)
public func visitOtherFrames(_ count: Int) { visit(count) }

@c(benchmark_clock_young) @inline(never)
public func visitYoungPages(_ count: Int) { visit(count) }

/// The same where it is not what is measured.
@c(benchmark_setup_clock_young) @inline(never)
public func makePagesOld(_ count: Int) {
  goToPages(count)
  visit(count)
  goToPages(count)
}

@c(benchmark_evict_clean) @inline(never)
public func evictCleanPages(_ count: Int) { evict(count) }

@c(benchmark_swap_out) @inline(never)
public func swapPagesOut(_ count: Int) { evict(count) }

@inline(__always)
private func evict(_ count: Int) {
  let result = visit(count)
  if result.freed < count - count / 8 { stop() }
}

@inline(__always) @discardableResult
private func visit(_ count: Int) -> ReclaimResult {
  let result = Pager.reclaim(.max, visiting: count)
  // SAFETY: one thread.
  unsafe visitedCount += result.examined
  return result
}

/// Has the clock visit the frames that the rows are about next.
@c(benchmark_setup_go_to_pages) @inline(never)
public func goToPages(_ count: Int) {
  let frameCount = Int(FrameTable.frameCount)
  // SAFETY: one thread.
  let (first, hand) = unsafe (firstFrame, visitedCount % frameCount)
  visit((first + frameCount - hand) % frameCount)
}

/// Finds the frames that the rows are about: of each `count` frames, those with the most pages of
/// the space.
private func findFrames(_ count: Int) {
  var pageCounts = [512 of Int](repeating: 0)
  for index in 0..<4 * count {
    // SAFETY: `PagedSpace.start` made the space.
    let found = unsafe PagedSpace.space.pointee.translate(Spaces.pageAddress(index))
    guard let found else { stop() }
    pageCounts[Int(found.address.rawValue >> 12) / count] += 1
  }
  var fullest = 0
  for part in 0..<512 where pageCounts[part] > pageCounts[fullest] { fullest = part }
  // SAFETY: one thread. The clock has not been used since the start.
  unsafe (firstFrame, visitedCount) = (fullest * count, 0)
}

/// Makes pages of an object, all of them in memory and mapped, for the clock.
@c(benchmark_setup_clean_pages) @inline(never)
public func makeCleanPages(_ count: Int) {
  makeMappedPages(4 * count)
  findFrames(count)
}

private func makeMappedPages(_ count: Int) {
  makeCachedObject(count)
  mapObject(count)
  resolveAll(count, .read, SupplyOptions(cachedPageCount: 1), expecting: .paged)
}

/// Makes pages of an object, all of them in memory, mapped and written.
@c(benchmark_setup_dirty_pages) @inline(never)
public func makeDirtyPages(_ count: Int) {
  makeMappedPages(count)
  for index in 0..<count {
    // SAFETY: `PagedSpace.start` made the space.
    let isStored = unsafe PagedSpace.space.pointee.store(
      1 as UInt64, at: Spaces.pageAddress(index))
    if !isStored { stop() }
  }
}

@c(benchmark_write_back) @inline(never)
public func writePagesBack(_ count: Int) {
  let result = PagedSpace.withObject { $0.synchronize() }
  if result.written != count { stop() }
}

/// Makes pages that are the space's own, and a swap store for them.
@c(benchmark_setup_swapping) @inline(never)
public func makePagesToSwap(_ count: Int) {
  PagedSpace.start()
  do throws(TesseraError) {
    try Pager.startSwap(PagedSpace.store, pageCount: UInt32(4 * count))
  } catch { stop() }
  writeAnonymousPages(4 * count)
  findFrames(count)
}

/// Writes down which pages are swapped, after some more were.
@c(benchmark_setup_find_swapped) @inline(never)
public func findSwappedPages(_ count: Int) {
  visit(Int(FrameTable.frameCount))
  // SAFETY: the places hold numbers only.
  let places = unsafe Handles.places(of: Int.self)
  var found = 0
  for index in 0..<4 * count where found < count {
    // SAFETY: `PagedSpace.start` made the space.
    if unsafe PagedSpace.space.pointee.translate(Spaces.pageAddress(index)) == nil {
      // SAFETY: as above.
      unsafe (places + found).initialize(to: index)
      found += 1
    }
  }
  if found < count { stop() }
}

@c(benchmark_fault_swapped) @inline(never)
public func readSwappedPages(_ count: Int) {
  // SAFETY: `findSwappedPages` put the numbers there.
  let places = unsafe Handles.places(of: Int.self)
  for place in 0..<count {
    let page = Spaces.pageAddress(unsafe places[place])
    // SAFETY: `PagedSpace.start` made the space.
    let answer = unsafe PagedSpace.space.pointee.resolve(.read, at: page)
    if answer != .resolved(.paged) { stop() }
  }
}
