import Foundation
import Tessera
import TesseraHeader

/// The objects that a sequence of calls has allocated, and what they contain.
///
/// An object is filled with a byte of its own, which is compared before the object is freed or
/// resized. What the heap says of itself is compared with the sizes of the objects.
final class HeapModel {
  struct Object {
    let address: UnsafeMutableRawPointer
    let byteCount: Int
    let byte: UInt8
  }

  private(set) var objects = [Object?](repeating: nil, count: 16)
  /// The first contradiction.
  private(set) var problem: String?
  private var lastByte: UInt8 = 0

  func expect(_ condition: Bool, _ problem: @autoclosure () -> String) {
    if !condition && self.problem == nil { self.problem = problem() }
  }

  /// Takes the object of a place away, after comparing it.
  func take(_ place: Int) -> Object? {
    defer { objects[place] = nil }
    guard let object = objects[place] else { return nil }
    compare(object, object.byteCount)
    return object
  }

  /// Puts an object of `byteCount` bytes that was just allocated or resized at a place.
  func put(_ address: UnsafeMutableRawPointer, _ byteCount: Int, at place: Int) {
    lastByte &+= 1
    let object = Object(address: address, byteCount: byteCount, byte: lastByte)
    expect(
      tessera_usable_size(address) >= byteCount, "an object has fewer than \(byteCount) bytes")
    for part in Self.parts(address, byteCount) {
      memset(part.baseAddress!, Int32(object.byte), part.count)
    }
    objects[place] = object
  }

  /// Compares the first `byteCount` bytes of what was in `object`, and is now at `address`.
  func compare(_ object: Object, _ byteCount: Int, at address: UnsafeMutableRawPointer? = nil) {
    expect(
      Self.parts(address ?? object.address, byteCount).allSatisfy { Self.has($0, object.byte) },
      "an object of \(object.byteCount) bytes has changed")
  }

  func expectZeros(_ address: UnsafeMutableRawPointer, _ byteCount: Int) {
    expect(
      Self.parts(address, byteCount).allSatisfy { Self.has($0, 0) },
      "a new object of \(byteCount) bytes is not zero")
  }

  /// Whether an object is mapped in the kernel virtual area, where this process has no memory.
  static func isMapped(_ address: UnsafeMutableRawPointer) -> Bool {
    UInt(bitPattern: address) >> 63 != 0
  }

  /// Whether all bytes of a part are `byte`.
  private static func has(_ part: UnsafeMutableRawBufferPointer, _ byte: UInt8) -> Bool {
    guard let start = part.baseAddress, let first = part.first else { return part.isEmpty }
    return first == byte && memcmp(start, start + 1, part.count - 1) == 0
  }

  /// The bytes of an object: one part, or a part for each page of one that is mapped.
  private static func parts(
    _ address: UnsafeMutableRawPointer, _ byteCount: Int
  ) -> [UnsafeMutableRawBufferPointer] {
    guard isMapped(address) else {
      return [UnsafeMutableRawBufferPointer(start: address, count: byteCount)]
    }
    return stride(from: 0, to: byteCount, by: 4096).map { offset in
      var physical: UInt64 = 0
      let page = UInt64(UInt(bitPattern: address + offset))
      let status = tessera_translate(tessera_kernel_space(), page, &physical, nil)
      guard Int(status) == TESSERA_OK else { fatalError("a page of an object is not mapped") }
      return UnsafeMutableRawBufferPointer(
        start: UnsafeMutableRawPointer(bitPattern: UInt(LoadedMachine.directMap + physical)),
        count: min(4096, byteCount - offset))
    }
  }
}

// What the heap says of itself.
extension HeapModel {
  /// What the heap takes.
  var info: tessera_heap_info {
    var info = tessera_heap_info()
    info.size = UInt64(MemoryLayout<tessera_heap_info>.size)
    expect(Int(tessera_heap_query(&info)) == TESSERA_OK, "the heap cannot be queried")
    return info
  }

  /// Compares what the heap takes with its classes and with the objects.
  func compareCounts() {
    let info = info
    let pages = info.large_frames + info.mapped_frames
    var byteCount = pages << 12
    var slabs: UInt64 = 0
    for index in 0..<UInt32(TESSERA_HEAP_CLASSES) {
      var kind = tessera_heap_class()
      kind.size = UInt64(MemoryLayout<tessera_heap_class>.size)
      expect(Int(tessera_heap_query_class(index, &kind)) == TESSERA_OK, "no class \(index)")
      expect(kind.used <= min(kind.objects, kind.allocated), "class \(index) has too many objects")
      byteCount += kind.used * kind.object_size
      slabs += kind.slabs
    }
    expect(info.used_bytes == byteCount, "the classes have \(byteCount) bytes, not \(info)")
    let records = info.frames &- info.slabs &- pages
    expect(info.slabs == slabs && records <= 1, "\(slabs) slabs are in \(info)")
    let usable = objects.reduce(0) { $0 + tessera_usable_size($1?.address) }
    let isExact = !Pager.isStarted
    expect(
      isExact ? info.used_bytes == UInt64(usable) : info.used_bytes >= UInt64(usable),
      "\(usable) bytes are usable, not \(info)")
  }
}
