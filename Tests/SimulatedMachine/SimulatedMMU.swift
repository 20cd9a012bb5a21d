import CTessera
import Foundation

/// The memory management units of the processors of a simulated machine.
///
/// Walks the tables in the machine's memory as processors do, checks rights, sets accessed and
/// dirty bits, and tracks everything that the translation caches of each processor may hold
/// (`TLBModel`). It observes each store to an entry, each flush and each freed frame, and reports
/// violations; see `violations` and `checkCoherent`.
///
/// All functions may be called from any thread.
public final class SimulatedMMU: @unchecked Sendable {
  let memory: SimulatedMemory
  private let lock = NSLock()
  /// Access: under `lock`, which excludes what the exclusivity check looks for.
  @exclusivity(unchecked) private var cache: TLBModel
  @exclusivity(unchecked) private var counters = Counters()

  /// Counts of events since the start.
  public struct Counters: Sendable {
    public var entryWrites = 0
    public var pageInvalidations = 0
    public var rootLoads = 0
    /// Loads of CR3 that kept what was cached under their process-context identifier.
    public var keepingRootLoads = 0
    /// Flushes of all process contexts at once.
    public var contextInvalidations = 0
    public var freedFrames = 0
    /// Accesses that a cached translation denied but the tables permitted.
    public var spuriousFaults = 0
    /// Accesses through a translation that no longer matched the tables.
    public var staleAccesses = 0
    /// Bytes that the kernel copied to or from user memory.
    public var userBytesCopied = 0

    mutating func noteRootLoad(_ value: UInt64) {
      rootLoads += 1
      if value >> 63 != 0 { keepingRootLoads += 1 }
    }
  }

  /// Creates the MMUs of the current machine, with `frameCount` frames of memory starting at
  /// address zero and the current registers, and starts to observe it.
  init(frameCount: Int, processorCount: Int) {
    memory = SimulatedMemory(byteCount: UInt64(frameCount) << 12)
    cache = TLBModel(memory: memory, processorCount: processorCount)
    install()
  }

  deinit { uninstall() }

  /// Runs `body` under the lock.
  func locked<Result, Failure: Error>(
    _ body: (inout TLBModel, inout Counters) throws(Failure) -> Result
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

  /// Descriptions of the violations so far.
  public var violations: [String] { locked { cache, _ in cache.violations.sentences } }

  /// Returns the violations so far and removes them, for a test that causes them on purpose.
  public func takeViolations() -> [String] {
    locked { cache, _ in
      defer { cache.violations = ViolationLog() }
      return cache.violations.sentences
    }
  }

  /// What all processors have cached, and the violations so far.
  package struct State {
    fileprivate let cache: TLBModel
    fileprivate let counters: Counters
  }

  /// A number that differs if what is cached differs, or what was found to be wrong.
  package var digest: UInt64 {
    locked { cache, _ in
      var sum = UInt64(cache.violations.sentences.count)
      for (number, processor) in cache.processors.enumerated() {
        let factor = 2 * UInt64(number) + 3
        processor.translations.visit { page in
          let rights = UInt64(page.rights.rawValue) | (page.isDirty ? 8 : 0)
          let word = (page.virtualAddress ^ page.physicalAddress << 20) &+ rights
          sum &+= (word &* 0x9e37_79b9_7f4a_7c15) &* factor
        }
        for frame in processor.tableFrames {
          sum &+= (UInt64(frame) &* 0xbf58_476d_1ce4_e5b9) &* factor
        }
      }
      return sum
    }
  }

  /// The state, for a test that goes back to it together with the machine's memory.
  package var state: State {
    get { locked { State(cache: $0, counters: $1) } }
    set {
      locked { cache, counters in
        cache = newValue.cache
        counters = newValue.counters
      }
    }
  }

  /// Returns the translations that processor `number` may cache, ordered by address.
  public func cachedTranslations(on number: Int) -> [SimulatedTranslation] {
    locked { cache, _ in cache.processors[number].translations.all }
  }

  /// Returns the physical addresses that an access of processor `number` to `address` may reach, by
  /// a translation that it may cache or by the tables, whatever their rights. Each is there once.
  public func reachableAddresses(from address: UInt64, on number: Int) -> [UInt64] {
    locked { cache, _ in
      var pages = cache.processors[number].translations.covering(address)
      if case .page(let page, _, _) = cache.walk(number).translate(address) { pages.append(page) }
      return Set(pages.map { $0.physicalAddress(of: address) }).filter { memory.contains($0) }
        .sorted()
    }
  }

  /// Returns the addresses of the tables that processor `number` may cache, including the root, in
  /// ascending order.
  public func cachedTables(on number: Int) -> [UInt64] {
    locked { cache, _ in cache.processors[number].tableFrames.map { UInt64($0) << 12 }.sorted() }
  }
}

// The observer.
extension SimulatedMMU {
  /// The current observer. Not a weak reference, which would make each use of the observer slower.
  /// Access: by the thread that creates and destroys machines.
  nonisolated(unsafe) private static var installed: ObjectIdentifier?

  private func install() {
    Self.installed = ObjectIdentifier(self)
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
    // Another machine may have been created before this one was destroyed.
    guard Self.installed == ObjectIdentifier(self) else { return }
    Self.installed = nil
    simulated_install_observer(nil)
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
      precondition(number < cache.processors.count, "processor number is out of range")
      if kind == simulated_page_invalidation {
        counters.pageInvalidations += 1
        cache.invalidatePage(new, on: number)
      } else if kind == simulated_context_invalidation {
        counters.contextInvalidations += 1
        cache.startAfresh(number)
      } else {
        if kind == simulated_cr3_write { counters.noteRootLoad(new) }
        cache.noteWrite(kind, old: old, new: new, on: number)
      }
    }
  }
}
