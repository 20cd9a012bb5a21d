internal import TesseraFrames
internal import TesseraHardware

/// The requests that may be at a disk at the same time, each with what the device reads and writes
/// of it beside the data.
///
/// A request is free, or is at the device, or has ended and waits to be taken: by its number, or in
/// the order in which requests ended. One processor calls it at a time.
struct DiskRequests: ~Copyable {
  /// Who takes a request once it has ended.
  enum Taker: UInt64 {
    /// Any processor that asks for one that has ended.
    case anyone = 1
    /// The processor that waits for this one.
    case waiter = 2
  }

  /// A request that has been taken.
  struct Outcome {
    let token: UInt64
    let succeeded: Bool
  }

  let count: Int
  private(set) var freeCount: Int
  private let memory: Segment<PlainMemory>
  /// The first of the free ones, and of those that anyone may take; each has the number of the next
  /// one. `none` ends a list.
  private var firstFree = 0
  private var firstEnded = none
  private var lastEnded = none

  private static var none: Int { -1 }

  /// A word of a request, as an offset.
  private enum Field: UInt64 {
    /// What the device reads: the operation and the first sector.
    case operation = 0
    case sector = 8
    /// The byte that the device writes when it is done: 0 for success.
    case status = 16
    case token = 24
    /// Where the request is; a `State`.
    case state = 32
    case next = 40
  }

  /// For which taker a request is at the device, or has ended; 0 for one that is free.
  private struct State: Equatable {
    let rawValue: UInt64

    static var free: State { State(rawValue: 0) }
    static func atDevice(_ taker: Taker) -> State { State(rawValue: taker.rawValue) }
    static func ended(_ taker: Taker) -> State { State(rawValue: taker.rawValue | 4) }
  }

  private static var byteCount: UInt64 { 64 }

  /// `count` requests, all of which are free.
  init(count: Int) throws(TesseraError) {
    self.count = count
    freeCount = count
    let frameCount = (count * Int(Self.byteCount) + 4095) / 4096
    memory = try Segment(allocating: frameCount) { _ in PlainMemory() }
    for number in 0..<count { set(.next, of: number, UInt64(number + 1)) }
  }

  private func get(_ field: Field, of number: Int) -> UInt64 {
    // SAFETY: see `place`.
    unsafe PhysicalMemory.loadWord(from: place(field, number))
  }

  private func set(_ field: Field, of number: Int, _ value: UInt64) {
    // SAFETY: see `place`.
    unsafe PhysicalMemory.storeWord(value, to: place(field, number))
  }

  /// A word of request `number`, which is below `count`: those of the lists are, and `end` checks
  /// what the device says.
  @inline(__always)
  private func place(_ field: Field, _ number: Int) -> UnsafeMutableRawPointer {
    // SAFETY: the memory is this value's, and has 64 bytes for each request.
    unsafe PhysicalMemory.pointer(to: memory.address)
      + (number &* Int(Self.byteCount) &+ Int(field.rawValue))
  }
}

extension DiskRequests {
  /// What the device reads of request `number`, 16 bytes.
  func header(of number: Int) -> PhysicalAddress {
    memory.address + UInt64(number) * Self.byteCount + Field.operation.rawValue
  }

  /// The byte that the device writes of request `number`.
  func status(of number: Int) -> PhysicalAddress {
    memory.address + UInt64(number) * Self.byteCount + Field.status.rawValue
  }

  /// Makes a free request one that is at the device. Returns its number; nil if none is free.
  mutating func begin(
    operation: UInt32, firstSector: UInt64, token: UInt64, for taker: Taker
  ) -> Int? {
    guard freeCount > 0 else { return nil }
    let number = firstFree
    firstFree = Int(get(.next, of: number))
    freeCount -= 1
    set(.operation, of: number, UInt64(operation))
    set(.sector, of: number, firstSector)
    // No status of a device, so that one that writes none has not succeeded.
    set(.status, of: number, 0xff)
    set(.token, of: number, token)
    set(.state, of: number, State.atDevice(taker).rawValue)
    return number
  }

  /// Notes that request `number` has ended: as its status says, or as `succeeded` if the device was
  /// not asked.
  mutating func end(_ number: Int, succeeded: Bool? = nil) {
    require(number >= 0 && number < count, "the disk has ended a request that does not exist")
    if let succeeded { set(.status, of: number, succeeded ? 0 : 0xff) }
    switch State(rawValue: get(.state, of: number)) {
    case .atDevice(.waiter): set(.state, of: number, State.ended(.waiter).rawValue)
    case .atDevice(.anyone):
      set(.state, of: number, State.ended(.anyone).rawValue)
      if lastEnded == Self.none {
        firstEnded = number
      } else {
        set(.next, of: lastEnded, UInt64(number))
      }
      lastEnded = number
    default: panic("the disk has ended a request that it was not given")
    }
  }

  /// Takes the first request of those that have ended and that anyone may take; nil if there is
  /// none.
  mutating func takeEnded() -> Outcome? {
    guard firstEnded != Self.none else { return nil }
    let number = firstEnded
    if number == lastEnded {
      firstEnded = Self.none
      lastEnded = Self.none
    } else {
      firstEnded = Int(get(.next, of: number))
    }
    return take(number)
  }

  /// Takes request `number`, which one processor waits for; nil if it has not ended.
  mutating func takeAwaited(_ number: Int) -> Outcome? {
    guard get(.state, of: number) == State.ended(.waiter).rawValue else { return nil }
    return take(number)
  }

  /// Makes request `number` free.
  private mutating func take(_ number: Int) -> Outcome {
    let outcome = Outcome(
      token: get(.token, of: number), succeeded: get(.status, of: number) & 0xff == 0)
    set(.state, of: number, State.free.rawValue)
    set(.next, of: number, UInt64(firstFree))
    firstFree = number
    freeCount += 1
    return outcome
  }
}
