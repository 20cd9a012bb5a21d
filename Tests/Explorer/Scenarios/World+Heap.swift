import ExplorerRuntime
import SimulatedMachine
import TesseraHardware
import TesseraHeap

// Objects of the heap, by the places of their addresses.
extension World {
  private static var byteCount: Int { 2048 }

  private func word(_ index: Int, _ offset: Int = 0) -> UnsafeMutablePointer<UInt64>? {
    UnsafeMutablePointer(bitPattern: objects[index] &+ UInt(offset))
  }

  /// Allocates an object to the place at `index`, and writes it.
  func allocateObject(_ index: Int) {
    explorer_begin_call()
    let object = try? unsafe Heap.allocate(byteCount: Self.byteCount)
    explorer_add_result(object == nil ? 0 : 1)
    guard let object else { return }
    objects[index] = UInt(bitPattern: object)
    word(index)?.pointee = 1
    word(index, Self.byteCount - 8)?.pointee = 1
  }

  /// Writes the object at the place, if there is one, and frees it.
  func freeObject(_ index: Int) {
    guard objects[index] != 0 else { return }
    word(index)?.pointee = 2
    freeSameObject(index)
    objects[index] = 0
  }

  /// Frees the object at the place, and leaves its address there.
  func freeSameObject(_ index: Int) {
    explorer_begin_call()
    guard let object = UnsafeMutableRawPointer(bitPattern: objects[index]) else { return }
    unsafe Heap.free(object)
  }

  func trimHeap() {
    explorer_begin_call()
    Heap.trim()
  }

  /// Frees all objects, and all that the heap has. Returns what is wrong.
  var heapProblem: String? {
    var problem: String?
    Heap.checkInvariants { rule, _ in problem = "\(rule)" }
    if let problem { return problem }
    for index in 0..<Self.placeCount { freeObject(index) }
    for number in 0..<scenario.processorCount {
      asProcessor(number) { while Heap.hasFreedByOthers { Heap.trim() } }
    }
    if Heap.statistics.usedByteCount != 0 { return "an object is in use once all are freed" }
    Heap.stop()
    return nil
  }
}
