// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHardware
public import TesseraHeader

@c @implementation
public func tessera_kind_of_e820(_ type: UInt32) -> UInt32 {
  switch type {
  case 1: UInt32(TESSERA_USABLE)
  case 3: UInt32(TESSERA_ACPI)
  case 4: UInt32(TESSERA_FIRMWARE)
  case 5: UInt32(TESSERA_BAD_MEMORY)
  default: UInt32(TESSERA_RESERVED)
  }
}

@c @implementation
public func tessera_kind_of_limine(_ type: UInt64) -> UInt32 {
  switch type {
  case 0: UInt32(TESSERA_USABLE)
  case 2: UInt32(TESSERA_ACPI)
  case 3: UInt32(TESSERA_FIRMWARE)
  case 4: UInt32(TESSERA_BAD_MEMORY)
  case 5: UInt32(TESSERA_LOADER)
  case 6: UInt32(TESSERA_KERNEL_IMAGE)
  default: UInt32(TESSERA_RESERVED)
  }
}

@c @implementation @unsafe
public func tessera_read_multiboot(
  _ magic: UInt32, _ address: UInt32, _ direct_map: UInt64, _ direct_map_end: UInt64,
  _ regions: UnsafeMutablePointer<tessera_region>?, _ capacity: UInt64,
  _ count: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  result { () throws(APIError) in
    let regions = unsafe try check(regions)
    let count = unsafe try check(count)
    let information: MultibootInformation<MappedBootMemory>
    do throws(TesseraError) {
      // SAFETY: the caller guarantees that the range is mapped.
      let memory = unsafe MappedBootMemory(
        mappedAt: direct_map, below: PhysicalAddress(exactly: direct_map_end) ?? .limit)
      information = try MultibootInformation(magic: magic, address: address, memory: memory)
    } catch {
      throw APIError(TESSERA_ERROR_INVALID_BOOT_INFORMATION)
    }
    var found: UInt64 = 0
    information.forEachRegion { region in
      if region.isEmpty { return }
      if found < capacity {
        // SAFETY: the caller has room for `capacity` regions.
        unsafe regions[Int(found)] = tessera_region(
          start: region.start.rawValue, length: region.byteCount, kind: region.kind.number,
          reserved: 0)
      }
      found += 1
    }
    // SAFETY: valid during the call.
    unsafe count.pointee = found
    try check(found <= capacity, TESSERA_ERROR_OUT_OF_BOUNDS)
  }
}
