internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// Pages that all processors write and read in one space, more than there is memory for.
///
/// Of each page a word is accessed as a program accesses it, through the MMU, and the rest through
/// the kernel's copies. The kernel answers the faults.
struct PagingStorm: ~Copyable {
  enum Kind { case write, read }

  /// What a page contains.
  enum Contents {
    /// The same word, which follows from its number.
    case numbers
    /// What `DiskPattern` has from this offset on.
    case pattern(UInt64)
  }

  let space: VmSpace
  private let start: UInt64
  private let pageCount: UInt64
  private let contents: Contents
  private var kind = Kind.write

  let wrong = StormCount()
  let failed = StormCount()
  let faults = StormCount()
  let waits = StormCount()

  /// A storm over `pageCount` pages from `start` of `space`.
  init(
    _ contents: Contents, _ pageCount: UInt64, from start: UInt64, in space: consuming VmSpace
  ) {
    (self.contents, self.start, self.pageCount) = (contents, start, pageCount)
    self.space = space
  }

  /// Lets all processors write, or read, and waits for them.
  mutating func blow(_ kind: Kind) {
    self.kind = kind
    // SAFETY: the function is that of a storm, whose counts are atomic.
    unsafe ProcessorTask.runOnAll(&self) {
      unsafe $0.assumingMemoryBound(to: PagingStorm.self).pointee.takePart()
    }
  }
}

/// A dot for each second.
private struct Progress {
  private var watch = Stopwatch()

  mutating func write() {
    guard watch.microseconds >= 1_000_000 else { return }
    var console = Console()
    console.write(byte: 46)
    watch = Stopwatch()
  }
}

// What each processor does.
extension PagingStorm {
  private func takePart() {
    guard let frames = try? Segment(allocating: 2, metadata: { _ in PlainMemory() }) else {
      return failed.add()
    }
    space.activate()
    // Pages of a processor lie between those of others, and another one reads them.
    let count = UInt64(Processors.count)
    let first = (UInt64(Processors.currentRank) + (kind == .read ? 1 : 0)) % count
    var progress = Progress()
    for page in stride(from: first, to: pageCount, by: Int(count)) {
      use(page, frames)
      if Processors.currentRank == 0 { progress.write() }
    }
    VmSpace.deactivate()
  }

  /// Uses `page`. The first of `frames` gets what it contains, the second what was found there.
  private func use(_ page: UInt64, _ frames: borrowing Segment<PlainMemory>) {
    let address = start + page * 4096
    fill(frames, page)
    switch kind {
    case .write:
      let word = frames.word(at: 0)
      // SAFETY: the page is the storm's.
      let isWritten = repeating(.write, address) { unsafe UserAccess.write(word, to: address) }
      guard isWritten, copy(frames, .write, address) else { return failed.add() }
    case .read:
      var word: UInt64?
      let isRead = repeating(.read, address + 4088) {
        word = UserAccess.read(address + 4088)
        return word != nil
      }
      guard isRead, copy(frames, .read, address) else { return failed.add() }
      if word != frames.word(at: 4088) || !areEqual(frames) { wrong.add() }
    }
  }

  private func fill(_ frames: borrowing Segment<PlainMemory>, _ page: UInt64) {
    switch contents {
    case .numbers:
      let word = page &* 0x9e37_79b9_7f4a_7c15 | 1
      for offset in stride(from: 0 as UInt64, to: 4096, by: 8) { frames.setWord(word, at: offset) }
    case .pattern(let offset):
      DiskPattern.fill(frames, at: 0, byteCount: 4096, from: offset + page * 4096)
    }
  }

  private func areEqual(_ frames: borrowing Segment<PlainMemory>) -> Bool {
    for offset in stride(from: 0 as UInt64, to: 4096, by: 8)
    where frames.word(at: offset) != frames.word(at: 4096 + offset) { return false }
    return true
  }

  /// Repeats `body` until it returns true, as a program whose faults are resolved. Returns false if
  /// the kernel cannot.
  private func repeating(
    _ access: MemoryAccess, _ address: UInt64, _ body: () -> Bool
  ) -> Bool {
    while !body() {
      faults.add()
      guard resolve(access, address) else { return false }
    }
    return true
  }

  /// Answers a fault. Returns false if the access is not to be repeated.
  private func resolve(_ access: MemoryAccess, _ address: UInt64) -> Bool {
    switch space.resolve(access, at: VirtualAddress(address)) {
    case .resolved: return true
    case .busy:
      waits.add()
      DiskStore.finishWrites()
      return true
    case .denied, .needs, .failed, .outOfFrames: return false
    }
  }

  /// Copies the first of `frames` to the page at `address`, or the page to the second. Returns
  /// false if that is not possible.
  private func copy(
    _ frames: borrowing Segment<PlainMemory>, _ access: MemoryAccess, _ address: UInt64
  ) -> Bool {
    // SAFETY: the frames are this processor's.
    let memory = unsafe PhysicalMemory.pointer(to: frames.address)
    var done = 0
    while done < 4096 {
      let place = VirtualAddress(address + UInt64(done))
      // SAFETY: each frame has so many bytes.
      done +=
        unsafe access == .write
        ? space.write(from: memory + done, 4096 - done, at: place)
        : space.read(into: memory + 4096 + done, 4096 - done, at: place)
      if done < 4096 && !resolve(access, address + UInt64(done)) { return false }
    }
    return true
  }
}
