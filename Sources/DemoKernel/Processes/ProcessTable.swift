internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraSpaces

/// All processes, and the queue of those that wait for a processor.
///
/// They lie in frames of their own, because there is no heap.
struct ProcessTable: ~Copyable {
  /// One more than the most there can be at once: no process has the number 0, which is what the
  /// copy gets from a fork.
  static var capacity: Int { 128 }

  /// Access: under the lock.
  private struct Queue {
    var first: Int?
    var last: Int?
    /// The processes that are not absent, and those of them that a processor runs.
    var count = 0
    var runningCount = 0
    /// The most there were at once.
    var highestCount = 0
  }

  private let memory: Segment<PlainMemory>
  private let lock = SpinLock()

  /// An empty table. Throws `outOfFrames`.
  init() throws(TesseraError) {
    let byteCount = Self.spaceOffset + Self.capacity * MemoryLayout<VmSpace>.stride
    memory = try Segment(allocating: (byteCount + 4095) / 4096) { _ in PlainMemory() }
    // SAFETY: the memory has room for all of them.
    unsafe start.assumingMemoryBound(to: Queue.self).initialize(to: Queue())
    for number in 0..<Self.capacity { unsafe place(of: number).initialize(to: Process()) }
  }

  private static var processOffset: Int { 64 }
  private static var spaceOffset: Int {
    processOffset + capacity * MemoryLayout<Process>.stride
  }

  /// Process `number`. Who uses it keeps to the rule for the access to a process.
  subscript(number: Int) -> Process {
    _read {
      // SAFETY: every place holds a process, from the first on.
      yield unsafe place(of: number).pointee
    }
    nonmutating _modify {
      // SAFETY: as above.
      yield unsafe &place(of: number).pointee
    }
  }

  /// The place for the space of process `number`, which is there from before the process is added
  /// until its last thread has ended.
  @unsafe func space(of number: Int) -> UnsafeMutablePointer<VmSpace> {
    require(number >= 0 && number < Self.capacity, "a process has no place in the table")
    // SAFETY: the place is within the memory.
    return unsafe (start + Self.spaceOffset).assumingMemoryBound(to: VmSpace.self) + number
  }

  @unsafe private func place(of number: Int) -> UnsafeMutablePointer<Process> {
    require(number >= 0 && number < Self.capacity, "a process has no place in the table")
    // SAFETY: the place is within the memory.
    return unsafe (start + Self.processOffset).assumingMemoryBound(to: Process.self) + number
  }

  private var queue: Queue {
    _read {
      // SAFETY: the queue is at the start of the memory.
      yield unsafe start.assumingMemoryBound(to: Queue.self).pointee
    }
    nonmutating _modify {
      // SAFETY: as above.
      yield unsafe &start.assumingMemoryBound(to: Queue.self).pointee
    }
  }

  private var start: UnsafeMutableRawPointer {
    // SAFETY: the table owns the frames, and nothing else refers to them.
    unsafe PhysicalMemory.pointer(to: memory.address)
  }
}

extension ProcessTable {
  /// Adds a process that begins with `registers` in `space`, or in that of `owner` if that is nil.
  /// Returns its number, or nil if the table is full; the space is then destroyed.
  func add(
    _ space: consuming VmSpace?, of owner: Int? = nil, parent: Int?, _ registers: UserRegisters
  ) -> Int? {
    let interrupts = lock.lock()
    guard let number = firstFree else {
      lock.unlock(interrupts)
      return nil
    }
    self[number] = Process(
      state: .absent, registers: registers, parent: parent, owner: owner ?? number,
      threadCount: owner == nil ? 1 : 0)
    if let own = space.take() {
      // SAFETY: the place is free.
      unsafe self.space(of: number).initialize(to: own)
    }
    if let owner { self[owner].threadCount += 1 }
    queue.count += 1
    queue.highestCount = max(queue.highestCount, queue.count)
    append(number)
    lock.unlock(interrupts)
    return number
  }

  /// Takes the process that has waited longest for a processor, for the calling one to run.
  func take() -> Int? {
    let interrupts = lock.lock()
    defer { lock.unlock(interrupts) }
    guard let number = queue.first else { return nil }
    let next = self[number].next
    queue.first = next
    if next == nil { queue.last = nil }
    self[number].state = .running
    queue.runningCount += 1
    return number
  }

  /// Lets process `number`, which the calling processor runs, wait for a processor again.
  func requeue(_ number: Int) {
    let interrupts = lock.lock()
    queue.runningCount -= 1
    append(number)
    lock.unlock(interrupts)
  }

  /// Whether no process will ever run again: all have ended, or they wait for each other.
  var isOver: Bool {
    let interrupts = lock.lock()
    defer { lock.unlock(interrupts) }
    return queue.first == nil && queue.runningCount == 0
  }

  /// The number of processes, and the most there were at once.
  var counts: (now: Int, highest: Int) {
    let interrupts = lock.lock()
    defer { lock.unlock(interrupts) }
    return (queue.count, queue.highestCount)
  }
}

extension ProcessTable {
  /// What comes of a wait.
  enum Wait {
    /// The child has ended with that result, and is gone.
    case over(UInt64)
    /// The process does not run any more. It gets the result when the child has ended.
    case begun
    /// The process has no such child.
    case failed
  }

  /// Lets process `number`, which the calling processor runs, wait for its child with the number
  /// `child`.
  func wait(_ number: Int, for child: UInt64) -> Wait {
    guard child < UInt64(Self.capacity) else { return .failed }
    let child = Int(child)
    let interrupts = lock.lock()
    defer { lock.unlock(interrupts) }
    guard self[child].parent == number else { return .failed }
    switch self[child].state {
    case .absent: return .failed
    case .ended(let result):
      remove(child)
      return .over(result)
    case .ready, .running, .waiting:
      self[number].state = .waiting(child: child)
      queue.runningCount -= 1
      return .begun
    }
  }

  /// Counts one thread of `owner` less. Returns whether it was the last one: then the caller has
  /// the space for itself, until `releaseSpace`.
  func leaveSpace(of owner: Int) -> Bool {
    let interrupts = lock.lock()
    defer { lock.unlock(interrupts) }
    if self[owner].threadCount == 1 { return true }
    self[owner].threadCount -= 1
    return false
  }

  /// Notes that the space of `owner`, whose last thread has left it, is destroyed.
  func releaseSpace(of owner: Int) {
    let interrupts = lock.lock()
    self[owner].threadCount = 0
    lock.unlock(interrupts)
  }

  /// Ends process `number`, which the calling processor runs, and gives `result` to its parent.
  func end(_ number: Int, _ result: UInt64) {
    let interrupts = lock.lock()
    defer { lock.unlock(interrupts) }
    abandonChildren(of: number)
    queue.runningCount -= 1
    guard let parent = self[number].parent else { return remove(number) }
    guard case .waiting(child: number) = self[parent].state else {
      self[number].state = .ended(result: result)
      return
    }
    remove(number)
    self[parent].registers.result = result
    append(parent)
  }
}

// Called under the lock.
extension ProcessTable {
  private var firstFree: Int? {
    for number in 1..<Self.capacity {
      let process = self[number]
      if case .absent = process.state, process.threadCount == 0 { return number }
    }
    return nil
  }

  private func append(_ number: Int) {
    self[number].state = .ready
    self[number].next = nil
    if let last = queue.last {
      self[last].next = number
    } else {
      queue.first = number
    }
    queue.last = number
  }

  private func remove(_ number: Int) {
    self[number].state = .absent
    self[number].parent = nil
    queue.count -= 1
  }

  /// Gives up the children of process `number`, for which no process waits any more.
  private func abandonChildren(of number: Int) {
    for child in 0..<Self.capacity where self[child].parent == number {
      if case .ended = self[child].state { remove(child) }
      self[child].parent = nil
    }
  }
}
