internal import TesseraFaults
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

// Loops over page faults, one for each page. See FrameLoops.swift for what is common. The rows of
// frames that are filled or copied include that: 512 words, each counted as an instruction.

/// Makes pages appear when they are used.
@c(benchmark_setup_demand_zero) @inline(never)
public func reservePages(_ count: Int) {
  // SAFETY: the spaces that stay were made at the start.
  var cursor = cursor(over: Spaces.pages(count), of: unsafe Spaces.active.pointee)
  do throws(TesseraError) {
    try cursor.setDemandZero(byteCount(count), as: .userReadWrite)
  } catch { stop() }
}

@c(benchmark_fault_zeros) @inline(never)
public func readFreshPages(_ count: Int) {
  // SAFETY: as in `reservePages`.
  resolveAll(count, .read, in: unsafe Spaces.active.pointee, expecting: .zeros)
}

@c(benchmark_fault_zeroed) @inline(never)
public func writeFreshPages(_ count: Int) {
  // SAFETY: as in `reservePages`.
  resolveAll(count, .write, in: unsafe Spaces.active.pointee, expecting: .zeroedFrame)
}

@c(benchmark_fork) @inline(never)
public func forkSpace(_ count: Int) {
  do throws(TesseraError) {
    // SAFETY: the place holds nothing.
    unsafe Spaces.places.initialize(to: try Spaces.active.pointee.fork())
  } catch { stop() }
}

@c(benchmark_fault_copy) @inline(never)
public func writeSharedPages(_ count: Int) {
  // SAFETY: as in `reservePages`.
  resolveAll(count, .write, in: unsafe Spaces.active.pointee, expecting: .copy)
}

@c(benchmark_fault_takeover) @inline(never)
public func writeLeftPages(_ count: Int) {
  // SAFETY: `forkSpace` made the space.
  resolveAll(count, .write, in: unsafe Spaces.places.pointee, expecting: .takeover)
}

@c(benchmark_user_store) @inline(never)
public func storeToPages(_ count: Int) { storeToAll(count) }

/// The same where it is not what is measured: the pages are dirty then, as pages in use are.
@c(benchmark_setup_store) @inline(never)
public func dirtyPages(_ count: Int) { storeToAll(count) }

@inline(__always)
private func storeToAll(_ count: Int) {
  for index in 0..<count {
    // SAFETY: as in `reservePages`.
    let isStored = unsafe Spaces.active.pointee.store(
      1 as UInt64, at: page(index, count))
    if !isStored { stop() }
  }
}

@c(benchmark_setup_drop_child) @inline(never)
public func dropChild(_ count: Int) {
  // SAFETY: `forkSpace` made the space.
  unsafe Spaces.places.deinitialize(count: 1)
}

/// Copies a page of the kernel's bytes to each.
@c(benchmark_user_write_page) @inline(never)
public func writePages(_ count: Int) {
  let bytes = [4096 of UInt8](repeating: 1)
  for index in 0..<count {
    // SAFETY: as in `reservePages`; integers have no padding.
    let copied = unsafe Spaces.active.pointee.write(bytes.span.bytes, at: page(index, count))
    if copied != 4096 { stop() }
  }
}

/// Copies each page to the kernel's bytes.
@c(benchmark_user_read_page) @inline(never)
public func readPages(_ count: Int) {
  var bytes = [4096 of UInt8](repeating: 1)
  for index in 0..<count {
    var span = bytes.mutableSpan
    // SAFETY: as in `reservePages`; all bit patterns of an integer are valid.
    var target = unsafe span.mutableBytes
    let copied = unsafe Spaces.active.pointee.read(into: &target, at: page(index, count))
    if copied != 4096 { stop() }
  }
}

@inline(__always)
private func resolveAll(
  _ count: Int, _ access: MemoryAccess, in space: borrowing VmSpace, expecting supply: PageSupply
) {
  for index in 0..<count {
    if space.resolve(access, at: page(index, count)) != .resolved(supply) { stop() }
  }
}

/// The address of page `index` of `count`.
@inline(__always)
private func page(_ index: Int, _ count: Int) -> VirtualAddress {
  Spaces.pages(count).lowerBound.advanced(unchecked: byteCount(index))
}
