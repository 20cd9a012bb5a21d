internal import Synchronization
internal import TesseraFrames
public import TesseraHardware

/// Memory for objects of any size.
///
/// Objects of up to 2,048 bytes come from slabs (`SizeClass`), each processor's from its own: no
/// lock, and no locked instruction; on processors 16 and later both take a few more steps. Larger
/// ones are contiguous frames; those for which none are free, of more than `mappedThreshold` bytes,
/// are mapped in the kernel virtual area. An object may be freed on any processor, by its address
/// alone.
///
/// Every function may be called with interrupts on or off. Those that allocate or free objects of
/// up to `mappedThreshold` bytes may be called in interrupt handlers, and with page tables locked.
/// Others may not: they change page tables.
///
/// A wrong free always panics, with a sentence that says what the address is.
public enum Heap {
  /// Objects of more bytes may be mapped, if no contiguous frames are free.
  public static var mappedThreshold: Int { 32768 }

  /// The alignment of each object, in bytes.
  public static var leastAlignment: Int { SizeClass.granule }

  /// Allocates an object of at least `byteCount` bytes, aligned to `alignment`. The memory has any
  /// contents, or if `isZeroed` is zero.
  ///
  /// Zero bytes are allocated like one: no two objects have one address.
  ///
  /// The caller owns the memory until it passes the address to `free`. `caller` is an address of
  /// code that a check build mentions if the object is misused.
  ///
  /// - Precondition: `byteCount` is not negative, and `alignment` is a power of two.
  /// - Throws: `outOfFrames`.
  @inline(__always)
  public static func allocate(
    byteCount: Int, alignment: Int = 16, isZeroed: Bool = false, caller: UInt64 = 0
  ) throws(TesseraError) -> UnsafeMutableRawPointer {
    guard alignment <= leastAlignment else {
      // SAFETY: the caller gets what it asked for.
      return unsafe try allocateSlowly(byteCount, alignment, isZeroed: isZeroed, caller: caller)
    }
    // SAFETY: as above.
    let object = unsafe allocateFast(byteCount, isZeroed: isZeroed) {
      unsafe try? allocateSlowly(byteCount, alignment, isZeroed: isZeroed, caller: caller)
    }
    // SAFETY: as above.
    guard let object = unsafe object else { throw .outOfFrames }
    return unsafe object
  }

  /// Frees the object that begins at `object`.
  ///
  /// - Precondition: The object was allocated and not freed since. Otherwise panics.
  @inline(__always)
  public static func free(_ object: UnsafeMutableRawPointer) {
    let offset = UInt(bitPattern: object) &- PhysicalMemory.directMapBase
    guard !SimulationHooks.poisonsFreedFrames else { return freeSlowly(offset) }
    freeFast(offset)
  }
}

// The fast paths. They call nothing but, as the last they do, a slow path, so that they save hardly
// any registers.
extension Heap {
  /// Allocates an object of at least `byteCount` bytes, with all of them zero if `isZeroed`, from
  /// this processor's slabs, and returns nil if there are no frames. Returns what `slowly` does, if
  /// the processor has no slabs or is none of the first, no slabs hold objects of this size, or all
  /// objects are guarded.
  @inline(__always)
  @unsafe package static func allocateFast(
    _ byteCount: Int, isZeroed: Bool = false, else slowly: () -> UnsafeMutableRawPointer?
  ) -> UnsafeMutableRawPointer? {
    // SAFETY: the caller gets what it asked for.
    guard UInt(bitPattern: byteCount) <= UInt(bitPattern: SizeClass.largestByteCount),
      !SimulationHooks.poisonsFreedFrames
    else { return unsafe slowly() }
    let interrupts = Processor.disableInterrupts()
    guard let heap = ProcessorHeap(ofFirst: Processor.current) else {
      Processor.restoreInterrupts(interrupts)
      // SAFETY: as above.
      return unsafe slowly()
    }
    let number = heap.sizeClass(of: byteCount)
    let address = heap.pop(number)
    guard address != 0 else {
      // SAFETY: as above.
      return unsafe allocateFromAnySlab(of: heap, number, isZeroed: isZeroed, interrupts)
    }
    Processor.restoreInterrupts(interrupts)
    if isZeroed { zero(address, (byteCount + 15) & ~15) }
    // SAFETY: forming the pointer accesses nothing.
    return unsafe UnsafeMutableRawPointer(bitPattern: address)
  }

  /// Frees the object at `offset` in the direct map, without a call if it is a small one of one of
  /// the first processors, which is this one.
  @inline(__always)
  private static func freeFast(_ offset: UInt) {
    let physical = UInt64(offset)
    guard physical >> 12 < FrameTable.frameCount else { return freeSlowly(offset) }
    let slot = FrameTable.slot(number: physical >> 12)
    guard slot.kind.isSlab else { return freeSlowly(offset) }
    let interrupts = Processor.disableInterrupts()
    let place = slot.slabPlace
    let processor = Processor.current
    guard place.owner == processor, ProcessorHeap.isFirst(processor) else {
      Processor.restoreInterrupts(interrupts)
      return freeSlowly(offset)
    }
    // SAFETY: an owner of a slab has a heap.
    let heap = unsafe ProcessorHeap(ofOwner: processor)
    switch heap.push(physical, in: slot, place.sizeClass) {
    case .done: Processor.restoreInterrupts(interrupts)
    case .changesSlab: heap.noteFreed(in: slot, place.sizeClass, restoring: interrupts)
    case .notFreed:
      Processor.restoreInterrupts(interrupts)
      freeSlowly(offset)
    }
  }
}

// The slow paths.
extension Heap {
  /// Allocates an object of a class of whose current slab none is free. Returns nil if there are no
  /// frames. Turns interrupts, which are off, on if `interrupts`.
  @inline(never)
  @unsafe private static func allocateFromAnySlab(
    of heap: ProcessorHeap, _ sizeClass: Int, isZeroed: Bool, _ interrupts: Bool
  ) -> UnsafeMutableRawPointer? {
    let address = heap.popAfterRefill(sizeClass)
    Processor.restoreInterrupts(interrupts)
    let byteCount = SizeClass.byteCount(of: sizeClass)
    if address == 0 {
      // SAFETY: the caller gets what it asked for.
      return unsafe try? allocateSlowly(byteCount, leastAlignment, isZeroed: isZeroed, caller: 0)
    }
    if isZeroed { zero(address, byteCount) }
    // SAFETY: as above.
    return unsafe UnsafeMutableRawPointer(bitPattern: address)
  }

  /// Does what `allocate` does, without trying the fast path.
  @inline(never)
  package static func allocateSlowly(
    _ byteCount: Int, _ alignment: Int, isZeroed: Bool, caller: UInt64
  ) throws(TesseraError) -> UnsafeMutableRawPointer {
    require(byteCount >= 0, "the size of an object is negative")
    require(alignment.nonzeroBitCount == 1 && alignment > 0, "alignment is not a power of two")
    let guarded = ObjectGuard.byteCount(toGuard: byteCount)
    let total = max(1, guarded)
    let address: UInt
    let capacity: Int
    if let number = SizeClass.number(of: total, alignment: alignment) {
      address = try allocateSmall(sizeClass: number)
      capacity = SizeClass.byteCount(of: number)
      ObjectGuard.checkFree(address, capacity)
      if isZeroed { zero(address, capacity) }
    } else {
      address = try allocateLarge(total, alignment, isZeroed: isZeroed)
      capacity = (total + 4095) & ~4095
    }
    ObjectGuard.arm(address, capacity, byteCount: byteCount, caller: caller)
    // SAFETY: an object has an address.
    return unsafe UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped
  }

  /// Allocates an object of a class, from a new slab if no other has one.
  private static func allocateSmall(sizeClass: Int) throws(TesseraError) -> UInt {
    while true {
      let (address, hasHeap) = pop(sizeClass)
      if address != 0 { return address }
      // With interrupts as they were, because it may take long. This may be another processor
      // afterwards, or another thread may have been here.
      do throws(TesseraError) {
        if hasHeap { try addSlab(sizeClass) } else { try addHeap() }
      } catch {
        return try popAfterFailure(error, sizeClass)
      }
    }
  }

  /// Allocates an object of a class from this processor's slabs. Returns its address, or 0 if none
  /// is free, and whether the processor has a heap.
  private static func pop(_ sizeClass: Int) -> (address: UInt, hasHeap: Bool) {
    let interrupts = Processor.disableInterrupts()
    let heap = ProcessorHeap(of: Processor.current)
    var address = heap.map { $0.pop(sizeClass) } ?? 0
    if let heap, address == 0 { address = heap.popAfterRefill(sizeClass) }
    Processor.restoreInterrupts(interrupts)
    return (address, heap != nil)
  }

  /// Allocates an object of a class that another processor has freed, when there is no frame for a
  /// slab. What others freed is taken back a part at a time.
  private static func popAfterFailure(
    _ error: TesseraError, _ sizeClass: Int
  ) throws(TesseraError) -> UInt {
    var hasMore = true
    while hasMore {
      hasMore = hasFreedByOthers
      let address = pop(sizeClass).address
      if address != 0 { return address }
    }
    throw error
  }

  private static func addHeap() throws(TesseraError) {
    let frame = try ProcessorHeap.makeRecord()
    FrameAllocator.trim { processor, isQuestion in
      guard let heap = ProcessorHeap(of: processor) else { return false }
      return isQuestion ? heap.mayTrim : Heap.trimmed()
    }
    let interrupts = Processor.disableInterrupts()
    ProcessorHeap.install(frame)
    Processor.restoreInterrupts(interrupts)
  }

  private static func addSlab(_ sizeClass: Int) throws(TesseraError) {
    let frame = try UniqueFrame(allocating: Slab(), .uninitialized)
    let interrupts = Processor.disableInterrupts()
    if let heap = ProcessorHeap(of: Processor.current) { heap.add(frame, sizeClass) }
    Processor.restoreInterrupts(interrupts)
  }

  /// Allocates an object of whole pages.
  private static func allocateLarge(
    _ byteCount: Int, _ alignment: Int, isZeroed: Bool
  ) throws(TesseraError) -> UInt {
    do throws(TesseraError) {
      let first = try LargeObject.allocate(
        byteCount: byteCount, alignment: alignment, isZeroed: isZeroed)
      HeapCounters.countLarge((byteCount + 4095) >> 12)
      return first.objectAddress(0)
    } catch {
      guard byteCount > mappedThreshold, alignment <= 4096 else { throw error }
      let address = try MappedObject.allocate(byteCount: byteCount, isZeroed: isZeroed)
      HeapCounters.countMapped((byteCount + 4095) >> 12)
      return address
    }
  }

  private static func zero(_ address: UInt, _ byteCount: Int) {
    // SAFETY: the object was just allocated to the caller.
    unsafe Processor.fill(
      UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped, with: 0, count: byteCount / 8)
  }

  /// Frees the object at `offset` in the direct map, or of the kernel area, if it goes beyond that.
  @inline(never)
  private static func freeSlowly(_ offset: UInt) {
    let address = PhysicalMemory.directMapBase &+ offset
    if MappedObject.isInArea(address) { return freeMapped(address) }
    guard let place = ObjectPlace(at: address) else {
      panic("freed an address outside of the memory of the heap", at: UInt64(address))
    }
    switch place {
    case .slab(let object):
      guard object.isStart, !object.isFree else { place.panicOnFree(of: address) }
      ObjectGuard.disarm(address, object.byteCount)
      freeSmall(object, address, place)
    case .run(let slot, let offset):
      guard offset == 0, LargeObject.isHead(slot) else { place.panicOnFree(of: address) }
      ObjectGuard.disarm(address, LargeObject.frameCount(slot) << 12)
      let count = LargeObject.free(slot)
      if count == 0 { place.panicOnFree(of: address) }
      HeapCounters.countLarge(-count)
    case .foreign: place.panicOnFree(of: address)
    }
  }

  private static func freeSmall(
    _ object: ObjectPlace.SlabObject, _ address: UInt, _ place: ObjectPlace
  ) {
    let interrupts = Processor.disableInterrupts()
    let isOwner = object.owner == Processor.current
    let isFreed = isOwner && ProcessorHeap.free(object.physicalAddress, in: object.slot)
    Processor.restoreInterrupts(interrupts)
    if isFreed { return }
    if isOwner { place.panicOnFree(of: address) }
    guard let heap = ProcessorHeap(of: object.owner) else {
      panic("a slab belongs to a processor without a heap", object.slot.address)
    }
    heap.pushFreed(address)
  }

  private static func freeMapped(_ address: UInt) {
    ObjectGuard.disarm(address, MappedObject.pageCount(at: address) << 12)
    let count = MappedObject.free(at: address)
    if count == 0 {
      panic("freed an address of the kernel area at which no object begins", at: UInt64(address))
    }
    HeapCounters.countMapped(-count)
  }
}
