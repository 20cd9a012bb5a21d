internal import CBenchmarks
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

// Loops that have a cursor for each page, or none. See FrameLoops.swift for what is common.

@c(benchmark_translate) @inline(never)
public func translatePages(_ count: Int) {
  var sum: UInt64 = 0
  var bits: UInt64 = 0
  for index in 0..<count {
    // SAFETY: the spaces that stay were made at the start.
    let found = unsafe Spaces.active.pointee.translate(Spaces.pageAddress(index))
    guard let found else { panic("a benchmark's translation missed a page") }
    // All bits of both count, so that none of them is left out.
    sum &+= found.address.rawValue
    bits ^= found.property.bits
  }
  host_keep(sum)
  host_keep(bits)
}

@c(benchmark_map_page) @inline(never)
public func mapPages(_ count: Int) {
  // SAFETY: `allocateFrames` put `count` handles there, and each is moved out once.
  let places = unsafe Handles.places(of: Frame<PlainMemory>.self)
  for index in 0..<count {
    map(unsafe (places + index).move(), at: index)
  }
}

@c(benchmark_alloc_map_page) @inline(never)
public func allocateAndMapPages(_ count: Int) {
  do throws(TesseraError) {
    for index in 0..<count {
      map(try Frame(allocating: PlainMemory(), .uninitialized), at: index)
    }
  } catch { panic("a benchmark ran out of frames") }
}

@inline(__always)
private func map(_ frame: consuming Frame<PlainMemory>, at index: Int) {
  // SAFETY: the spaces that stay were made at the start.
  var cursor = cursor(over: Spaces.page(index), of: unsafe Spaces.active.pointee)
  map(frame, with: &cursor)
}

@inline(__always)
private func map(_ frame: consuming Frame<PlainMemory>, with cursor: inout Cursor) {
  var frame: Frame<PlainMemory>? = frame
  do throws(TesseraError) { try cursor.map(&frame, as: .userReadWrite) } catch { stop() }
}

@c(benchmark_unmap_page) @inline(never)
public func unmapPages(_ count: Int) {
  for index in 0..<count {
    // SAFETY: as in `mapPages`.
    var cursor = cursor(over: Spaces.page(index), of: unsafe Spaces.active.pointee)
    do throws(TesseraError) { try cursor.unmap(4096) } catch { stop() }
  }
}

@c(benchmark_map_huge) @inline(never)
public func mapLargePages(_ count: Int) {
  // SAFETY: as in `mapPages`.
  var cursor = cursor(over: Spaces.largePages(count), of: unsafe Spaces.active.pointee)
  do throws(TesseraError) {
    // Not where a page of 1 GiB would fit.
    let memory = PhysicalAddress(PageSize.twoMiB.byteCount)
    // SAFETY: the mapped memory is not accessed.
    try unsafe cursor.mapDevice(
      memory, byteCount: PageSize.twoMiB.byteCount * UInt64(count), as: .userReadWrite)
  } catch { stop() }
}

@c(benchmark_setup_unmap_huge) @inline(never)
public func unmapLargePages(_ count: Int) {
  // SAFETY: as in `mapPages`.
  var cursor = cursor(over: Spaces.largePages(count), of: unsafe Spaces.active.pointee)
  do throws(TesseraError) {
    try cursor.unmap(PageSize.twoMiB.byteCount * UInt64(count))
  } catch { stop() }
}

@c(benchmark_map_table_each) @inline(never)
public func mapOnePagePerTable(_ count: Int) {
  // SAFETY: as in `mapPages`.
  let places = unsafe Handles.places(of: Frame<PlainMemory>.self)
  var cursor = cursor(over: Spaces.largePages(count), of: unsafe Spaces.active.pointee)
  for index in 0..<count {
    cursor.move(to: Spaces.largePages(index).upperBound)
    map(unsafe (places + index).move(), with: &cursor)
  }
}

@c(benchmark_setup_unmap_tables) @inline(never)
public func unmapTables(_ count: Int) { unmapLargePages(count) }

extension Cursor {
  /// As `jump`, to where there is something.
  @inline(__always)
  fileprivate mutating func move(to address: VirtualAddress) {
    do throws(TesseraError) { try jump(to: address) } catch { stop() }
  }
}
