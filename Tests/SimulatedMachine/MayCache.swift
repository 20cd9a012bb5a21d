import CTessera

/// Everything that each processor may hold of the page tables: the worst of all translation caches.
///
/// A processor may read its tables at any time and keep what it read until it is told not to (Intel
/// SDM Vol. 3A, "Caching Translation Information"). So as soon as an entry is reachable for it, it
/// counts as kept, and nothing is ever evicted. What is reachable begins not only at the root but
/// also at each table that a processor may still know of, although it was taken out of the tree.
///
/// Not modelled: context identifiers (PCID), and accessed bits of entries that name tables.
struct MayCache {
  let memory: SimulatedMemory
  var processors: [ProcessorCache]
  /// Of each frame, which processors may use it as a table, and where.
  var tables: [[CachedTable]]
  var mentions: FrameMentions
  var violations = ViolationLog()
  var options = MMUOptions() {
    didSet { countMentions() }
  }
  private var clock: UInt64 = 0

  init(memory: SimulatedMemory, processorCount: Int) {
    self.memory = memory
    let frameCount = Int(memory.byteCount >> 12)
    tables = Array(repeating: [], count: frameCount)
    mentions = FrameMentions(frameCount: frameCount)
    let features = simulated_current_features()
    processors = (0..<processorCount).map { number in
      let registers = simulated_registers_of(UInt32(number)).pointee
      return ProcessorCache(PagingRegisters(registers, features))
    }
    for number in 0..<processorCount { fillFromRoot(number) }
  }

  /// A number that was not given before.
  mutating func tick() -> UInt64 {
    clock += 1
    return clock
  }

  /// Counts anew which frames are mentioned.
  private mutating func countMentions() {
    mentions = FrameMentions(frameCount: tables.count)
    for number in processors.indices {
      for translation in processors[number].translations.all where ownsFrame(translation) {
        mentions.add(translation)
      }
    }
  }

  /// The tables as they are now, seen by processor `number`.
  func walk(_ number: Int) -> TableWalk {
    TableWalk(memory: memory, registers: processors[number].registers)
  }
}

/// A table that a processor may use without looking at the entries that lead to it.
struct CachedTable: Equatable {
  var processor: Int
  var position: TablePosition
}

/// What one processor may hold, and the registers that say how it translates.
struct ProcessorCache {
  var registers: PagingRegisters {
    didSet { accessesOfRights = Self.accesses(registers) }
  }
  var translations = TranslationSet()
  /// The frames that it may use as tables.
  var tableFrames: [Int] = []
  /// Whether a table or a translation may be held that the tables in memory do not give any more.
  var mayHaveStaleTables = false
  var mayHaveStaleTranslations = false
  private var accessesOfRights: [AccessSet]

  init(_ registers: PagingRegisters) {
    self.registers = registers
    accessesOfRights = Self.accesses(registers)
  }

  /// Whether the processor has tables. It has none before CR3 is loaded.
  var hasRoot: Bool { registers.hasRoot }

  /// What `rights` permit on this processor.
  func accesses(_ rights: PageRights) -> AccessSet { accessesOfRights[Int(rights.rawValue)] }

  private static func accesses(_ registers: PagingRegisters) -> [AccessSet] {
    (0..<8).map { registers.accesses(PageRights(rawValue: $0)) }
  }
}

/// What rules were broken, in sentences. Only the first ones, since one mistake may break many.
struct ViolationLog {
  private(set) var sentences: [String] = []
  private var count = 0

  mutating func report(_ sentence: String) {
    count += 1
    if count <= 32 { sentences.append(sentence) }
    if count == 33 { sentences.append("and more") }
  }
}
