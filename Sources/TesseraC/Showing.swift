// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHardware
public import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

@c @implementation @unsafe
public func tessera_print_memory_map(
  _ config: UnsafePointer<tessera_config>?, _ write: tessera_write_fn?,
  _ context: UnsafeMutableRawPointer?
) -> tessera_result {
  result { () throws(APIError) in
    // SAFETY: the caller lends it; the regions are read during the call alone.
    let configuration = unsafe try BootConfiguration(tessera_config(at: config))
    var sink = try unsafe CallbackSink(write, context)
    configuration.memoryMap.write(to: &sink, title: "the kernel's")
  }
}

/// Has `body` show the space at `space` on the caller's sink.
@unsafe private func show(
  _ space: UnsafePointer<tessera_space>?, _ write: tessera_write_fn?,
  _ context: UnsafeMutableRawPointer?, _ body: (SpaceHandle, inout CallbackSink) -> Void
) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try SpaceHandle(space)
    var sink = try unsafe CallbackSink(write, context)
    body(handle, &sink)
  }
}

@c @implementation @unsafe
public func tessera_dump(
  _ space: UnsafePointer<tessera_space>?, _ write: tessera_write_fn?,
  _ context: UnsafeMutableRawPointer?
) -> tessera_result {
  unsafe show(space, write, context) { handle, sink in
    if handle.isKernel { return KernelSpace.dump(to: &sink) }
    // SAFETY: the handle was found to be a space.
    unsafe handle.space.pointee.dump(to: &sink)
  }
}

@c @implementation @unsafe
public func tessera_dump_json(
  _ space: UnsafePointer<tessera_space>?, _ write: tessera_write_fn?,
  _ context: UnsafeMutableRawPointer?
) -> tessera_result {
  unsafe show(space, write, context) { handle, sink in
    if handle.isKernel { return KernelSpace.dumpJSON(to: &sink) }
    // SAFETY: the handle was found to be a space.
    unsafe handle.space.pointee.dumpJSON(to: &sink)
  }
}

@c @implementation @unsafe
public func tessera_print_walk(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ write: tessera_write_fn?,
  _ context: UnsafeMutableRawPointer?
) -> tessera_result {
  unsafe show(space, write, context) { handle, sink in
    let address = VirtualAddress(address)
    if handle.isKernel { return KernelSpace.writeWalk(of: address, to: &sink) }
    // SAFETY: the handle was found to be a space.
    unsafe handle.space.pointee.writeWalk(of: address, to: &sink)
  }
}
