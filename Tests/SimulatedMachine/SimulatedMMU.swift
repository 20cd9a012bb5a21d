import CTessera
import Foundation

/// The memory management units of a simulated machine's processors.
///
/// Reads the tables that lie in the machine's memory as processors do, permits and refuses, sets
/// accessed and dirty bits, and keeps for each processor everything that its translation caches may
/// hold (`MayCache`). It is told of each store to an entry, each invalidation and each freed frame,
/// and reports what breaks a rule; see `violations` and `checkCoherent`.
///
/// All functions may be called from any thread. Processors are those of the machine, by number.
public final class SimulatedMMU: @unchecked Sendable {
  let memory: SimulatedMemory
  private let lock = NSLock()
  /// Access: under `lock`.
  private var cache: MayCache
  private var counters = Counters()

  /// What happened so far.
  public struct Counters: Sendable {
    public var entryWrites = 0
    public var pageInvalidations = 0
    public var rootLoads = 0
    public var freedFrames = 0
    /// Accesses that an old translation refused and the tables permitted.
    public var spuriousFaults = 0
    /// Accesses that used a translation that the tables did not give any more.
    public var staleAccesses = 0
    /// Bytes that the kernel copied to or from programs' memory.
    public var userBytesCopied = 0
  }

  /// Looks on at the machine that was made last, which has memory of `frameCount` frames from
  /// address zero on, from now on. Registers are as they are.
  init(frameCount: Int, processorCount: Int) {
    memory = SimulatedMemory(byteCount: UInt64(frameCount) << 12)
    cache = MayCache(memory: memory, processorCount: processorCount)
    install()
  }

  deinit { uninstall() }

  /// Runs `body` alone.
  func locked<Result, Failure: Error>(
    _ body: (inout MayCache, inout Counters) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    lock.lock()
    defer { lock.unlock() }
    return try body(&cache, &counters)
  }
}

extension SimulatedMMU {
  public var options: MMUOptions {
    get { locked { cache, _ in cache.options } }
    set { locked { cache, _ in cache.options = newValue } }
  }

  public var statistics: Counters { locked { _, counters in counters } }

  /// What broke a rule so far, in sentences.
  public var violations: [String] { locked { cache, _ in cache.violations.sentences } }

  /// Forgets what broke a rule so far, and returns it: for a test that broke one on purpose.
  public func takeViolations() -> [String] {
    locked { cache, _ in
      defer { cache.violations = ViolationLog() }
      return cache.violations.sentences
    }
  }

  /// The translations that processor `number` may hold, by address.
  public func cachedTranslations(on number: Int) -> [SimulatedTranslation] {
    locked { cache, _ in cache.processors[number].translations.all }
  }

  /// The tables that processor `number` may use without looking at the entries above them, by
  /// address. The root is one of them.
  public func cachedTables(on number: Int) -> [UInt64] {
    locked { cache, _ in cache.processors[number].tableFrames.map { UInt64($0) << 12 }.sorted() }
  }
}

// Looking on.
extension SimulatedMMU {
  /// The one that looks on. Access: by the thread that makes and unmakes machines.
  nonisolated(unsafe) private static weak var installed: SimulatedMMU?

  private func install() {
    Self.installed = self
    var observer = simulated_observer(
      context: Unmanaged.passUnretained(self).toOpaque(),
      entry_write: { context, _, address, old, _ in
        SimulatedMMU.at(context).noteEntryWrite(at: address, old: old)
      },
      frame_free: { context, _, address, byteCount in
        SimulatedMMU.at(context).noteFrameFree(at: address, byteCount: byteCount)
      },
      control: { context, processor, kind, old, new in
        SimulatedMMU.at(context).noteControl(kind, old: old, new: new, on: Int(processor))
      },
      user_copy: { context, processor, address, buffer, byteCount, isWrite in
        SimulatedMMU.at(context).copy(
          byteCount, between: address, and: buffer, isWrite: isWrite, on: Int(processor))
      })
    simulated_install_observer(&observer)
  }

  private func uninstall() {
    // Another machine may have been made before this one went away.
    if Self.installed == nil { simulated_install_observer(nil) }
  }

  private static func at(_ context: UnsafeMutableRawPointer?) -> SimulatedMMU {
    Unmanaged<SimulatedMMU>.fromOpaque(context!).takeUnretainedValue()
  }

  private func noteEntryWrite(at address: UInt64, old: UInt64) {
    locked { cache, counters in
      counters.entryWrites += 1
      cache.noteWrite(at: address, old: old)
    }
  }

  private func noteFrameFree(at address: UInt64, byteCount: UInt64) {
    locked { cache, counters in
      counters.freedFrames += Int(byteCount >> 12)
      cache.noteFree(from: address, byteCount: byteCount)
    }
  }

  private func noteControl(
    _ kind: simulated_control_kind, old: UInt64, new: UInt64, on number: Int
  ) {
    locked { cache, counters in
      precondition(number < cache.processors.count, "the machine has no such processor")
      if kind == simulated_page_invalidation {
        counters.pageInvalidations += 1
        cache.invalidatePage(new, on: number)
      } else {
        if kind == simulated_cr3_write { counters.rootLoads += 1 }
        cache.noteWrite(kind, old: old, new: new, on: number)
      }
    }
  }
}
