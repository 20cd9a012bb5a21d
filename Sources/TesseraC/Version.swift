// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

public import TesseraHeader

@c @implementation
public func tessera_version() -> UInt32 { UInt32(TESSERA_VERSION) }

@c @implementation
public func tessera_strerror(_ status: tessera_result) -> UnsafePointer<CChar>! {
  // SAFETY: a literal's bytes live for ever and end in a zero byte; a byte and a C character have
  // the same layout.
  unsafe UnsafeRawPointer(sentence(about: Int(status)).utf8Start).assumingMemoryBound(
    to: CChar.self)
}

private func sentence(about status: Int) -> StaticString {
  switch status {
  case TESSERA_OK: "done"
  case TESSERA_ERROR_INVALID_POINTER: "a pointer is null or not aligned"
  case TESSERA_ERROR_INVALID_SIZE: "the size in a structure is none that this version knows"
  case TESSERA_ERROR_NOT_STARTED: "Tessera was not started"
  case TESSERA_ERROR_ALREADY_STARTED: "Tessera was started before"
  case TESSERA_ERROR_UNSUPPORTED_PROCESSOR:
    "the processor lacks long mode paging or no-execute pages"
  case TESSERA_ERROR_INVALID_ARGUMENT: "a number, flag or kind has no meaning here"
  case TESSERA_ERROR_INVALID_MEMORY_MAP:
    "the memory map has no usable memory, or a region that wraps"
  case TESSERA_ERROR_NOT_IN_DIRECT_MAP: "memory is not visible through the direct map"
  case TESSERA_ERROR_OUT_OF_FRAMES: "no memory is left that fits the request"
  case TESSERA_ERROR_OUT_OF_ADDRESSES: "no addresses are left in the kernel's area"
  case TESSERA_ERROR_EMPTY: "the range holds nothing, or a count is zero"
  case TESSERA_ERROR_NOT_ALIGNED: "an address or a length is not aligned"
  case TESSERA_ERROR_OUT_OF_BOUNDS: "an address or a range is out of bounds"
  case TESSERA_ERROR_IN_USE: "the memory is in use"
  case TESSERA_ERROR_NO_HANDLE: "no handle of the frame is out"
  case TESSERA_ERROR_NOT_CLIENT: "the frame is not a client's"
  case TESSERA_ERROR_IN_TRANSITION:
    "the frame is just being made or unmade, or in a processor's cache"
  case TESSERA_ERROR_ALREADY_MAPPED: "a page of the range is mapped or marked already"
  case TESSERA_ERROR_NOT_MAPPED: "the page is not mapped"
  case TESSERA_ERROR_INVALID_SPACE: "the structure is not a space, or not where it was made"
  case TESSERA_ERROR_INVALID_CURSOR:
    "the structure is not an open cursor, or not where it was opened"
  case TESSERA_ERROR_KERNEL_SPACE: "this cannot be done to the kernel's space"
  case TESSERA_ERROR_KERNEL_AREA_IN_USE: "the kernel's area is mapped already"
  case TESSERA_ERROR_INVALID_BOOT_INFORMATION: "what the boot loader left is damaged"
  case TESSERA_ERROR_CODE_IN_LOWER_HALF: "the code lies in the lower half, which is left behind"
  case TESSERA_ERROR_STACK_IN_LOWER_HALF: "the stack lies in the lower half, which is left behind"
  case TESSERA_ERROR_GDT_IN_LOWER_HALF: "the GDT lies in the lower half, which is left behind"
  case TESSERA_ERROR_IDT_IN_LOWER_HALF: "the IDT lies in the lower half, which is left behind"
  default: "no status of Tessera's"
  }
}
