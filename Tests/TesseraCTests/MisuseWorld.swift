import CallFuzz
import TesseraHeader
import Testing

/// A machine with a little of everything, and its state to compare with after every error.
final class MisuseWorld {
  static let mappedPage: UInt64 = 0x80_0000_0000
  static let unmappedPage: UInt64 = 0x80_0020_0000

  let machine: LoadedMachine
  let space = UnsafeMutablePointer<tessera_space>.allocate(capacity: 1)
  let readWrite = UInt32(TESSERA_READ | TESSERA_WRITE)
  /// A frame with one handle.
  let frame: tessera_frame
  /// A mapped frame without a handle.
  let mappedFrame: tessera_frame
  let programBounds: Range<UInt64>
  let kernelBounds: Range<UInt64>
  private let freeFrames: UInt64
  private let dump: String

  init() throws {
    machine = try LoadedMachine.started()
    var frame: tessera_frame = 0
    var mapped: tessera_frame = 0
    space.initialize(to: tessera_space())
    expect(tessera_space_create(space), TESSERA_OK)
    expect(tessera_allocate(&frame), TESSERA_OK)
    expect(tessera_allocate(&mapped), TESSERA_OK)
    expect(tessera_map(space, Self.mappedPage, mapped, readWrite, nil), TESSERA_OK)
    self.frame = frame
    mappedFrame = mapped
    programBounds = Self.bounds(of: space)
    kernelBounds = Self.bounds(of: tessera_kernel_space())
    freeFrames = machine.freeFrames
    dump = gathering { [space] in tessera_dump(space, $0, $1) }
  }

  deinit {
    expect(tessera_space_destroy(space), TESSERA_OK)
    space.deallocate()
  }

  private static func bounds(of space: UnsafeMutablePointer<tessera_space>?) -> Range<UInt64> {
    var start: UInt64 = 0
    var end: UInt64 = 0
    expect(tessera_space_bounds(space, &start, &end), TESSERA_OK)
    return start..<end
  }

  /// A valid request.
  var request: tessera_request {
    var request = tessera_request()
    request.size = UInt64(MemoryLayout<tessera_request>.size)
    return request
  }

  /// Addresses of frames without handles, the error for each, and a description.
  var strangeFrames: [(tessera_frame, Int, String)] {
    var freed: tessera_frame = 0
    expect(tessera_allocate(&freed), TESSERA_OK)
    expect(tessera_drop(freed), TESSERA_OK)
    let end = LoadedMachine.byteCount
    return [
      (frame + 1, TESSERA_ERROR_NOT_ALIGNED, "an odd address"),
      (frame + 8, TESSERA_ERROR_NOT_ALIGNED, "an address in a frame"),
      (frame + 512, TESSERA_ERROR_NOT_ALIGNED, "a later address in a frame"),
      (end, TESSERA_ERROR_OUT_OF_BOUNDS, "the end of memory"),
      (0xffff_0000, TESSERA_ERROR_OUT_OF_BOUNDS, "a device"),
      (1 << 40, TESSERA_ERROR_OUT_OF_BOUNDS, "beyond all memory"),
      (1 << 52, TESSERA_ERROR_OUT_OF_BOUNDS, "beyond all addresses"),
      (.max, TESSERA_ERROR_OUT_OF_BOUNDS, "the last address"),
      (.max & ~4095, TESSERA_ERROR_OUT_OF_BOUNDS, "the last page"),
      (0, TESSERA_ERROR_NO_HANDLE, "the first frame"),
      (0x8000, TESSERA_ERROR_NO_HANDLE, "low memory"),
      (freed, TESSERA_ERROR_NO_HANDLE, "a frame that was dropped"),
      (mappedFrame, TESSERA_ERROR_NO_HANDLE, "a frame that was mapped"),
      (LoadedMachine.image.lowerBound, TESSERA_ERROR_NOT_CLIENT, "the kernel's image"),
      (LoadedMachine.tables[0], TESSERA_ERROR_NOT_CLIENT, "a table of the loader's"),
      (tessera_space_root(space), TESSERA_ERROR_NOT_CLIENT, "a page table"),
      (
        tessera_space_root(tessera_kernel_space()), TESSERA_ERROR_NOT_CLIENT,
        "the kernel's root"
      ),
    ]
  }

  /// Checks that nothing has changed.
  func checkUnchanged(_ what: String) {
    #expect(machine.violations == "", "after \(what)")
    #expect(machine.freeFrames == freeFrames, "after \(what)")
    let dump = gathering { [space] in tessera_dump(space, $0, $1) }
    #expect(dump == self.dump, "after \(what)")
    var violations: UInt64 = 1
    expect(tessera_audit_space(space, { _, _, _ in }, nil, &violations), TESSERA_OK)
    #expect(violations == 0, "after \(what)")
  }
}
