internal import TesseraFrames
internal import TesseraHardware
internal import TesseraSpaces

/// What an address is to the heap, as the frame that it leads to says.
enum ObjectPlace {
  case slab(SlabObject)
  /// In a run of frames; `offset` is that in the frame of `slot`.
  case run(slot: FrameSlotReference, offset: UInt64)
  /// In a frame that is no part of the heap.
  case foreign(FrameSlotReference)

  /// An address in a slab.
  struct SlabObject {
    let slot: FrameSlotReference
    let offset: UInt64
    let byteCount: Int
    let owner: Int
    /// The offset of the object that the byte is in, or behind.
    let start: UInt64
    let index: Int
    var isStart: Bool { start == offset }
    var physicalAddress: UInt64 { slot.address.rawValue + offset }

    init(_ slot: FrameSlotReference, offset: UInt64) {
      self.slot = slot
      self.offset = offset
      let place = slot.slabPlace
      owner = place.owner
      byteCount = SizeClass.byteCount(of: place.sizeClass)
      let last = SizeClass.objectCount(of: place.sizeClass) - 1
      index = min(Int(offset) / byteCount, last)
      start = UInt64(index * byteCount)
    }

    /// Whether the object is free: exact for its user, who cannot have freed it then.
    var isFree: Bool { slot.freeBits(ofGroup: index >> 6) >> UInt64(index & 63) & 1 != 0 }
  }

  /// The place of `address`, an address of the direct map; nil if no memory is mapped there.
  init?(at address: UInt) {
    let physical = UInt64(address &- PhysicalMemory.directMapBase)
    guard physical >> 12 < FrameTable.frameCount else { return nil }
    let slot = FrameTable.slot(number: physical >> 12)
    let kind = slot.kind
    if kind.isSlab {
      self = .slab(SlabObject(slot, offset: physical & 4095))
    } else if kind.usage == .heap && !kind.hasSameMetadata(as: .of(HeapRecord.self)) {
      self = .run(slot: slot, offset: physical & 4095)
    } else {
      self = .foreign(slot)
    }
  }

  /// Panics because no object that is in use begins at `address`.
  @inline(never)
  func panicOnFree(of address: UInt) -> Never {
    panic { text in
      switch self {
      case .slab(let slab):
        text.write(
          slab.isStart
            ? "freed an object that is free already: " : "freed an address in an object: ")
        text.write(hexadecimal: UInt64(address))
        text.write(", object ")
        text.write(decimal: UInt64(slab.index))
        text.write(" of ")
        text.write(decimal: UInt64(slab.byteCount))
        text.write(" bytes at ")
        text.write(hexadecimal: UInt64(slab.slot.objectAddress(Int(slab.start))))
        text.write(", in a slab of processor ")
        text.write(decimal: UInt64(slab.owner))
      case .run(let slot, let offset):
        let isStart = offset == 0 && LargeObject.isHead(slot)
        text.write(
          isStart ? "freed an object that is free already: " : "freed an address in an object: ")
        text.write(hexadecimal: UInt64(address))
        text.write(", in an object of several pages")
      case .foreign(let slot):
        text.write("freed an address that is not the heap's: ")
        text.write(hexadecimal: UInt64(address))
        text.write(", in a frame ")
        text.write(slot.stateForFree)
      }
    }
  }
}

extension FrameSlotReference {
  /// What the frame is, after "in a frame".
  fileprivate var stateForFree: StaticString {
    switch count {
    case ReferenceCount.free: return "that is free"
    case ReferenceCount.unused: return "that has no owner"
    default: break
    }
    switch kind.usage {
    case .pageTable: return "that is a page table"
    case .heap: return "of the heap's own records"
    case .reserved: return "that is reserved"
    case .kernel: return "of the kernel's image"
    case .metadata: return "of frame metadata"
    default: return "that has handles or mappings"
    }
  }
}
