internal import Synchronization
package import TesseraHardware

/// The process-context identifiers (PCID) of each processor: under which of them it has cached
/// which tables, so that it need not flush when it goes back to a space.
///
/// Each root has a version, a number that no other root has ever had, and another one after each
/// change that makes translations stale. A processor notes the version of the root that it caches
/// under an identifier. If the root still has that version when the processor goes back to it, CR3
/// is loaded without a flush; otherwise it is loaded with another identifier, and a flush. A
/// processor that runs on the root is asked to flush, and notes the new version then.
///
/// Identifier 0 is that of the kernel's root, and of whatever the kernel loads itself.
///
/// Intel SDM Vol. 3A, "Process-Context Identifiers (PCIDs)".
package enum ProcessContexts {
  // SAFETY: zeros are a record without a version, and its words are atomic.
  private static let records = unsafe PerProcessor<ContextRecord>()

  /// Whether processors use identifiers.
  ///
  /// SAFETY: safe to use, because it is constant once a second processor runs.
  ///
  /// Access: written by `choose`, constant afterwards.
  @safe nonisolated(unsafe) package private(set) static var areUsed = false

  /// The identifiers of spaces are 1 to this number.
  private static var count: Int { ContextRecord.count }

  /// Decides whether processors use identifiers: if the kernel allows it, and the first processor,
  /// which has `features`, can. No other processor runs.
  package static func choose(_ features: ProcessorFeatures, isAllowed: Bool) {
    areUsed = isAllowed && features.hasProcessContextIdentifiers && features.hasGlobalPages
    Processor.chooseContextInvalidation(features)
  }

  /// Has the calling processor use identifiers from now on, if it can. It runs on the kernel's
  /// root, with interrupts off.
  package static func start() {
    let here = Processor.current
    forgetAll(here)
    setState(ContextState(), here)
    guard areUsed else { return }
    // SAFETY: the kernel's root was loaded with an identifier of zero.
    let isEnabled = unsafe Processor.enableContextIdentifiers(ProcessorFeatures())
    if isEnabled { setState(.enabled, here) }
  }

  /// Has the calling processor use no identifiers any more. It runs on the kernel's root, with
  /// interrupts off.
  package static func stop() {
    let here = Processor.current
    guard state(here).isEnabled else { return }
    setState(ContextState(), here)
    // SAFETY: the kernel's root was loaded with an identifier of zero.
    unsafe Processor.disableContextIdentifiers()
  }

  /// Loads CR3 with the root of a space at `root`, whose version is `version`, without a flush if
  /// this processor has cached nothing under it that is stale. With interrupts off; the version was
  /// read once `root` was in this processor's word of `ActiveRoots`.
  ///
  /// The caller promises what it does for `Processor.loadRootRegister`.
  @unsafe package static func load(_ root: PhysicalAddress, version: UInt64, here: Int) {
    var state = areUsed ? state(here) : ContextState()
    guard state.isEnabled else { return unsafe Processor.loadRoot(root, context: 0) }
    let known = context(of: version, here)
    if known != nil { FlushStatistics.countKeptContext() }
    state.current = known ?? state.takeNext()
    setVersion(version, of: state.current, here)
    setState(state, here)
    unsafe Processor.loadRoot(
      root, context: UInt64(state.current), keepsTranslations: known != nil)
  }

  /// Loads CR3 with the kernel's root, at `root`. Otherwise as `load`.
  @unsafe package static func loadKernel(_ root: PhysicalAddress, here: Int) {
    var state = areUsed ? state(here) : ContextState()
    if state.isEnabled {
      state.current = 0
      setState(state, here)
    }
    unsafe Processor.loadRoot(root, context: 0)
  }

  /// Prepares to leave the root at `address`. If the kernel has loaded CR3 itself meanwhile, it may
  /// have used any identifier, so that none is relied on. With interrupts off.
  package static func leave(_ address: PhysicalAddress, here: Int) {
    guard areUsed else { return }
    let state = state(here)
    if state.isEnabled && !isLoaded(address, state) { forgetAll(here) }
  }

  /// Loads CR3 with the root at `root`, which this processor runs on, with a flush: the kernel has
  /// loaded another.
  ///
  /// The caller promises what it does for `Processor.loadRootRegister`.
  @unsafe package static func reload(_ root: PhysicalAddress, here: Int) {
    unsafe Processor.loadRoot(root, context: UInt64(state(here).current))
  }

  /// Notes that this processor has flushed what `change`, of the root at `address`, made stale.
  @inline(never)
  static func noteFlushed(_ change: RootChange, of address: PhysicalAddress, here: Int) {
    let state = state(here)
    guard state.current > 0, isLoaded(address, state) else { return }
    guard version(of: state.current, here) == change.oldVersion else { return }
    setVersion(change.newVersion, of: state.current, here)
  }

  /// Whether CR3 holds the root at `address` as `load` has loaded it.
  private static func isLoaded(_ address: PhysicalAddress, _ state: ContextState) -> Bool {
    Processor.rootRegister == address.rawValue | UInt64(state.current)
  }
}

// The records. Ordering: all of it is relaxed; only their processor uses them, with interrupts off.
extension ProcessContexts {
  private static func state(_ here: Int) -> ContextState {
    // Ordering: relaxed; see above.
    ContextState(word: records[here].state.load(ordering: .relaxed))
  }

  private static func setState(_ state: ContextState, _ here: Int) {
    // Ordering: relaxed; see above.
    records[here].state.store(state.word, ordering: .relaxed)
  }

  private static func version(of context: Int, _ here: Int) -> UInt64 {
    // Ordering: relaxed; see above.
    records[here].versions[context - 1].load(ordering: .relaxed)
  }

  private static func setVersion(_ version: UInt64, of context: Int, _ here: Int) {
    // Ordering: relaxed; see above.
    records[here].versions[context - 1].store(version, ordering: .relaxed)
  }

  /// The identifier under which `version` of a root is cached; nil if there is none.
  private static func context(of version: UInt64, _ here: Int) -> Int? {
    for context in 1...count where self.version(of: context, here) == version { return context }
    return nil
  }

  /// Forgets what is cached under any identifier.
  private static func forgetAll(_ here: Int) {
    for context in 1...count { setVersion(0, of: context, here) }
  }
}

/// What a processor has cached, and under which identifiers.
///
/// Access: by its processor, with interrupts off.
private struct ContextRecord: PerProcessorValue, ~Copyable {
  /// The version of the root that is cached under each identifier, from 1; 0 = nothing.
  let versions: InlineArray<8, Atomic<UInt64>>
  /// A `ContextState`.
  let state: Atomic<UInt64>

  static var count: Int { 8 }
  static var variable: PerProcessorVariable { .contexts }
}

/// Which identifier a processor uses, and which it takes next, in one word.
private struct ContextState {
  private(set) var word: UInt64

  init(word: UInt64 = 0) { self.word = word }

  static var enabled: ContextState { ContextState(word: 1 << 16) }

  var isEnabled: Bool { word >> 16 != 0 }

  /// The identifier in CR3; 0 = the kernel's.
  var current: Int {
    get { Int(word & 0xff) }
    set { word = word & ~0xff | UInt64(newValue) }
  }

  /// Takes the identifier that was taken longest ago.
  mutating func takeNext() -> Int {
    let index = word >> 8 & 0xff
    word = word & ~0xff00 | ((index + 1) % UInt64(ContextRecord.count)) << 8
    return Int(index) + 1
  }
}
