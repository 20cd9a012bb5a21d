// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

public import TesseraHeader

@c @implementation
public func tessera_version() -> UInt32 { UInt32(TESSERA_VERSION) }

@c @implementation
public func tessera_strerror(_ result: tessera_result) -> UnsafePointer<CChar>! {
  // SAFETY: a literal is immortal and ends in a zero byte; `UInt8` and `CChar` have one layout.
  unsafe UnsafeRawPointer(description(of: Int(result)).utf8Start).assumingMemoryBound(
    to: CChar.self)
}

private func description(of result: Int) -> StaticString {
  switch result {
  case TESSERA_OK: "success"
  case TESSERA_ERROR_INVALID_POINTER: "pointer is null or not aligned"
  case TESSERA_ERROR_INVALID_SIZE: "size of a structure is not one this version knows"
  case TESSERA_ERROR_NOT_STARTED: "Tessera has not been started"
  case TESSERA_ERROR_ALREADY_STARTED: "Tessera has already been started"
  case TESSERA_ERROR_UNSUPPORTED_PROCESSOR: "processor lacks no-execute pages"
  case TESSERA_ERROR_INVALID_ARGUMENT: "number, flag or kind is not valid here"
  case TESSERA_ERROR_INVALID_MEMORY_MAP: "memory map has no usable memory, or an invalid region"
  case TESSERA_ERROR_NOT_IN_DIRECT_MAP: "memory is not mapped in the direct map"
  case TESSERA_ERROR_OUT_OF_FRAMES: "out of memory that fits the request"
  case TESSERA_ERROR_OUT_OF_ADDRESSES: "out of addresses in the kernel virtual area"
  case TESSERA_ERROR_EMPTY: "range or count is zero"
  case TESSERA_ERROR_NOT_ALIGNED: "address or length is not aligned"
  case TESSERA_ERROR_OUT_OF_BOUNDS: "address or range is out of bounds"
  case TESSERA_ERROR_IN_USE: "memory is in use"
  case TESSERA_ERROR_NO_HANDLE: "frame has no handle"
  case TESSERA_ERROR_NOT_CLIENT: "frame does not belong to a client"
  case TESSERA_ERROR_IN_TRANSITION: "frame is being allocated or freed, or in a processor's cache"
  case TESSERA_ERROR_ALREADY_MAPPED: "page is already mapped or has a status"
  case TESSERA_ERROR_NOT_MAPPED: "page is not mapped"
  case TESSERA_ERROR_INVALID_SPACE: "not a space, or a copy of one"
  case TESSERA_ERROR_INVALID_CURSOR: "not an open cursor, or a copy of one"
  case TESSERA_ERROR_KERNEL_SPACE: "operation is not valid on the kernel's space"
  case TESSERA_ERROR_KERNEL_AREA_IN_USE: "kernel virtual area is already mapped"
  case TESSERA_ERROR_INVALID_BOOT_INFORMATION: "boot information is damaged"
  case TESSERA_ERROR_CODE_IN_LOWER_HALF: "code is in the lower half, which will be unmapped"
  case TESSERA_ERROR_STACK_IN_LOWER_HALF: "stack is in the lower half, which will be unmapped"
  case TESSERA_ERROR_GDT_IN_LOWER_HALF: "GDT is in the lower half, which will be unmapped"
  case TESSERA_ERROR_IDT_IN_LOWER_HALF: "IDT is in the lower half, which will be unmapped"
  case TESSERA_ERROR_PROCESSOR_NUMBER_OUT_OF_BOUNDS:
    "tessera_host_processor_id returned a number that is not below the processor count"
  case TESSERA_ERROR_PROCESSOR_NUMBER_IN_USE:
    "a processor with the number that tessera_host_processor_id returned has been started"
  case TESSERA_ERROR_DIFFERENT_PAGING_LEVELS:
    "processor has page tables of another number of levels than the first (LA57)"
  case TESSERA_ERROR_DIFFERENT_PAGE_SIZES: "processor has no 1 GiB pages, unlike the first"
  case TESSERA_ERROR_DIFFERENT_ADDRESS_WIDTH:
    "processor has fewer physical address bits than the first"
  case TESSERA_ERROR_DIFFERENT_MEMORY_TYPES:
    "of this processor and the first, only one has a page attribute table"
  case TESSERA_ERROR_IMAGE_IN_USABLE_MEMORY: "kernel image is in memory called usable"
  case TESSERA_ERROR_STACK_IN_USABLE_MEMORY: "stack is in memory called usable"
  case TESSERA_ERROR_GDT_IN_USABLE_MEMORY: "GDT is in memory called usable"
  case TESSERA_ERROR_IDT_IN_USABLE_MEMORY: "IDT is in memory called usable"
  case TESSERA_ERROR_TSS_IN_USABLE_MEMORY: "TSS is in memory called usable"
  case TESSERA_ERROR_PAGE_TABLE_IN_USABLE_MEMORY: "page table is in memory called usable"
  case TESSERA_ERROR_PAGE_TABLE_AT_TWO_LEVELS: "page table is reachable at two levels"
  case TESSERA_ERROR_NO_ROOM_FOR_METADATA: "no region has room for the frame metadata"
  case TESSERA_ERROR_WRITE_AND_EXECUTE: "page would be writable and executable"
  case TESSERA_ERROR_INVALID_RIGHTS: "rights to write or execute require the right to read"
  case TESSERA_ERROR_CODE_NOT_EXECUTABLE: "running code or a handler would not be executable"
  case TESSERA_ERROR_RIGHTS_IN_USE: "rights are in use that would be taken away"
  case TESSERA_ERROR_PAGE_TABLE_SHARED: "page table is shared by addresses with different rights"
  case TESSERA_ERROR_PAGE_ZERO_IN_USE: "page at address zero is in use"
  case TESSERA_ERROR_DIRECT_MAP_IN_USE: "no free place for the direct map"
  case TESSERA_ERROR_DENIED: "nothing there that allows the access"
  case TESSERA_ERROR_PENDING: "page is the kernel's to supply"
  case TESSERA_ERROR_NOT_ACTIVE: "space is not active here"
  case TESSERA_ERROR_TOO_LONG: "string has no end there"
  case TESSERA_ERROR_PAGE_BUSY: "page is being read or written"
  case TESSERA_ERROR_STORE: "store could not read or write the page"
  case TESSERA_ERROR_INVALID_OBJECT: "handle is of no memory object"
  case TESSERA_ERROR_NOT_PAGED: "space is not paged"
  default: "unknown result"
  }
}
