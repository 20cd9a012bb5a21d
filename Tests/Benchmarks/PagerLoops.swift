internal import CBenchmarks
internal import TesseraFaults
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraPager
internal import TesseraSpaces

// Loops over pages of memory objects and of the reverse map. See FrameLoops.swift for what is
// common. The store answers at once, and copies nothing.

/// Makes the pager, a space and an object, all of whose pages are in memory and mapped nowhere.
@c(benchmark_setup_cached_object) @inline(never)
public func makeCachedObject(_ count: Int) {
  PagedSpace.start()
  PagedSpace.makeObject(count)
  PagedSpace.withObject { readWords(count, of: $0) }
}

@c(benchmark_setup_pager_end) @inline(never)
public func endPager(_ count: Int) { PagedSpace.end() }

@c(benchmark_object_lookup) @inline(never)
public func lookUpPages(_ count: Int) {
  PagedSpace.withObject { object in
    var found = 0
    for index in 0..<count where object.isInMemory(page: UInt64(truncatingIfNeeded: index)) {
      found += 1
    }
    if found != count { stop() }
  }
}

@c(benchmark_object_read) @inline(never)
public func readObject(_ count: Int) { PagedSpace.withObject { readWords(count, of: $0) } }

/// Reads a word of each page.
@inline(__always)
func readWords(_ count: Int, of object: borrowing MemoryObject) {
  var word = [8 of UInt8](repeating: 0)
  for index in 0..<count {
    var span = word.mutableSpan
    // SAFETY: all bit patterns of an integer are valid.
    var target = unsafe span.mutableBytes
    if object.read(into: &target, at: byteCount(index)).count != 8 { stop() }
  }
}

@c(benchmark_setup_map_object) @inline(never)
public func mapObject(_ count: Int) { PagedSpace.map(count, isShared: true) }

@c(benchmark_setup_map_object_anew) @inline(never)
public func mapObjectAnew(_ count: Int) {
  PagedSpace.unmap(count)
  PagedSpace.map(count, isShared: true)
}

@c(benchmark_setup_map_object_privately) @inline(never)
public func mapObjectPrivately(_ count: Int) {
  PagedSpace.unmap(count)
  PagedSpace.map(count, isShared: false)
}

@c(benchmark_fault_object) @inline(never)
public func readObjectPages(_ count: Int) {
  resolveAll(count, .read, SupplyOptions(cachedPageCount: 1), expecting: .paged)
}

/// One fault for each 16 pages.
@c(benchmark_fault_around) @inline(never)
public func readObjectBlocks(_ count: Int) {
  for index in stride(from: 0, to: count, by: 16) {
    // SAFETY: `PagedSpace.start` made the space.
    let answer = unsafe PagedSpace.space.pointee.resolve(.read, at: Spaces.pageAddress(index))
    if answer != .resolved(.paged) { stop() }
  }
}

@c(benchmark_fault_object_copy) @inline(never)
public func writePrivatePages(_ count: Int) {
  resolveAll(count, .write, SupplyOptions(cachedPageCount: 1), expecting: .copy)
}

@inline(__always)
func resolveAll(
  _ count: Int, _ access: MemoryAccess, _ options: SupplyOptions, expecting supply: PageSupply
) {
  for index in 0..<count {
    // SAFETY: `PagedSpace.start` made the space.
    let answer = unsafe PagedSpace.space.pointee.resolve(
      access, at: Spaces.pageAddress(index), options)
    if answer != .resolved(supply) { stop() }
  }
}

// The reverse map: `count` mappings, of as many spaces each page as the name says.

@c(benchmark_setup_rmap_1) @inline(never)
public func makePagesOfOne(_ count: Int) { makePages(count, of: 1) }

@c(benchmark_setup_rmap_2) @inline(never)
public func makePagesOfTwo(_ count: Int) { makePages(count, of: 2) }

@c(benchmark_setup_rmap_64) @inline(never)
public func makePagesOfMany(_ count: Int) { makePages(count, of: 64) }

private func makePages(_ count: Int, of spaceCount: Int) {
  PagedSpace.start()
  writeAnonymousPages(count / spaceCount)
  for _ in 1..<spaceCount { PagedSpace.fork() }
  // SAFETY: `PagedSpace.start` made the space, and the places hold addresses only.
  let places = unsafe Handles.places(of: PhysicalAddress.self)
  for index in 0..<count / spaceCount {
    let found = unsafe PagedSpace.space.pointee.translate(Spaces.pageAddress(index))
    guard let found else { stop() }
    unsafe (places + index).initialize(to: found.address)
  }
}

/// Makes `count` pages that are the space's own.
func writeAnonymousPages(_ count: Int) {
  do throws(TesseraError) {
    // SAFETY: `PagedSpace.start` made the space.
    var cursor = cursor(over: Spaces.pages(count), of: unsafe PagedSpace.space.pointee)
    try cursor.setDemandZero(byteCount(count), as: .userReadWrite)
  } catch { stop() }
  resolveAll(count, .write, SupplyOptions(), expecting: .zeroedFrame)
}

@c(benchmark_rmap_1) @inline(never)
public func findOneSpace(_ count: Int) { findSpaces(count, of: 1) }

@c(benchmark_rmap_2) @inline(never)
public func findTwoSpaces(_ count: Int) { findSpaces(count, of: 2) }

@c(benchmark_rmap_64) @inline(never)
public func findManySpaces(_ count: Int) { findSpaces(count, of: 64) }

@inline(__always)
private func findSpaces(_ count: Int, of spaceCount: Int) {
  // SAFETY: `makePages` put the addresses there.
  let places = unsafe Handles.places(of: PhysicalAddress.self)
  for index in 0..<count / spaceCount {
    if Pager.page(at: unsafe places[index])?.mapCount != spaceCount { stop() }
  }
}

// Forks of a space to which an object is attached.

@c(benchmark_setup_attach_1) @inline(never)
public func attachOnePage(_ count: Int) { attach(1) }

@c(benchmark_setup_attach_512) @inline(never)
public func attachTableOfPages(_ count: Int) { attach(512) }

private func attach(_ pageCount: Int) {
  PagedSpace.start()
  PagedSpace.makeObject(pageCount)
  PagedSpace.map(pageCount, isShared: true)
}

@c(benchmark_fork_attached_1) @inline(never)
public func forkWithOnePage(_ count: Int) { for _ in 0..<count { PagedSpace.fork() } }

@c(benchmark_fork_attached_512) @inline(never)
public func forkWithTableOfPages(_ count: Int) { for _ in 0..<count { PagedSpace.fork() } }
