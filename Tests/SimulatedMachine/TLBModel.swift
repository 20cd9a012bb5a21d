import CTessera

/// The worst-case translation caches: every entry that each processor may have cached.
///
/// A processor may read its tables at any time and cache the entries until a flush (Intel SDM Vol.
/// 3A, "Caching Translation Information"). So an entry counts as cached as soon as it is reachable,
/// and is never evicted. Entries are reachable from the root, and from each table that was removed
/// from the tree but that the processor may still cache.
///
/// Not modelled: accessed bits of entries that lead to tables.
struct TLBModel {
  let memory: SimulatedMemory
  var processors: [ProcessorCache]
  /// For each frame, the processors that may use it as a table, and its positions.
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

  /// Returns a number higher than all earlier ones.
  mutating func tick() -> UInt64 {
    clock += 1
    return clock
  }

  /// Recounts the translations that refer to each frame.
  private mutating func countMentions() {
    mentions = FrameMentions(frameCount: tables.count)
    for number in processors.indices {
      for translation in processors[number].translations.all where ownsFrame(translation) {
        mentions.add(translation)
      }
    }
  }

  /// Returns a walk of the current tables with the registers of processor `number`.
  func walk(_ number: Int) -> TableWalk {
    TableWalk(memory: memory, registers: processors[number].registers)
  }
}

/// A table that a processor may use without reading the entries that lead to it.
struct CachedTable: Equatable {
  var processor: Int
  var position: TablePosition
}

/// The caches of one processor, and the registers that control its translation.
struct ProcessorCache {
  var registers: PagingRegisters {
    didSet { accessesOfRights = Self.accesses(registers) }
  }
  var translations = TranslationSet()
  /// The frames that the processor may use as tables.
  var tableFrames: [Int] = []
  /// What is cached under process-context identifiers other than the one in CR3.
  var otherContexts: [UInt64: KeptContext] = [:]
  /// Whether a table or a translation may be cached that no longer matches the tables in memory.
  var mayHaveStaleTables = false
  var mayHaveStaleTranslations = false
  private var accessesOfRights: [AccessSet]

  init(_ registers: PagingRegisters) {
    self.registers = registers
    accessesOfRights = Self.accesses(registers)
  }

  /// Whether CR3 has been loaded.
  var hasRoot: Bool { registers.hasRoot }

  /// Returns the accesses that `rights` permit on this processor.
  func accesses(_ rights: PageRights) -> AccessSet { accessesOfRights[Int(rights.rawValue)] }

  private static func accesses(_ registers: PagingRegisters) -> [AccessSet] {
    (0..<8).map { registers.accesses(PageRights(rawValue: $0)) }
  }
}

/// Descriptions of violations, limited to the first ones, because one bug may cause many.
struct ViolationLog {
  private(set) var sentences: [String] = []
  private var count = 0

  mutating func report(_ sentence: String) {
    count += 1
    if count <= 32 { sentences.append(sentence) }
    if count == 33 { sentences.append("and more") }
  }
}
