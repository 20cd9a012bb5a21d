import Foundation
import Scenarios
import Tessera
import TesseraHardware

/// A store of pages that several processors use at once. Some transfers it finishes at once, others
/// later, in any order, on any processor; only then it copies, as a device does. It may fail some.
///
/// It has one lock, which is not held while the pager is told that a transfer is finished.
final class SharedStore: @unchecked Sendable {
  private struct Transfer {
    let token: UInt64
    let memory: PhysicalAddress
    let offset: UInt64
    var isWrite: Bool { token & 1 != 0 }
  }

  private struct State {
    var pages: [UInt64: [UInt64]] = [:]
    var waiting: [Transfer] = []
    var random: SplitMix
    var laterCount = 0
    var failedReadCount = 0
  }

  /// Access: with the lock held, one that ThreadSanitizer knows.
  private var state: State
  private let lock = NSLock()
  /// Whether some transfers finish later.
  private let isSlow: Bool
  /// Whether some transfers fail.
  private let isFailing: Bool

  init(isSlow: Bool, isFailing: Bool, _ random: SplitMix) {
    self.isSlow = isSlow
    self.isFailing = isFailing
    state = State(random: random)
  }

  var pageStore: PageStore {
    PageStore(
      context: UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()),
      read: { SharedStore.at($0).begin(Transfer(token: $3, memory: .init($2), offset: $1)) },
      write: { SharedStore.at($0).begin(Transfer(token: $3, memory: .init($2), offset: $1)) })
  }

  private func withState<Result>(_ body: (inout State) -> Result) -> Result {
    lock.lock()
    defer { lock.unlock() }
    return body(&state)
  }

  private static func at(_ context: UInt) -> SharedStore {
    unsafe Unmanaged.fromOpaque(UnsafeRawPointer(bitPattern: context)!).takeUnretainedValue()
  }

  private func begin(_ transfer: Transfer) -> Int32 {
    withState { state in
      if isSlow, state.random.below(4) > 0 {
        state.waiting.append(transfer)
        state.laterCount += 1
        return PageStore.Answer.later
      }
      return perform(transfer, &state) ? PageStore.Answer.done : PageStore.Answer.failed
    }
  }

  /// Copies the page, or fails. Returns whether it was copied.
  private func perform(_ transfer: Transfer, _ state: inout State) -> Bool {
    if isFailing, state.random.oneIn(12) {
      if !transfer.isWrite { state.failedReadCount += 1 }
      return false
    }
    Self.copy(transfer, &state)
    return true
  }

  private static func copy(_ transfer: Transfer, _ state: inout State) {
    let start = unsafe PhysicalMemory.pointer(to: transfer.memory)
    if transfer.isWrite {
      state.pages[transfer.offset] = (0..<512).map {
        unsafe PhysicalMemory.loadWord(from: start + $0 * 8)
      }
      return
    }
    let words = state.pages[transfer.offset]
    for index in 0..<512 {
      unsafe PhysicalMemory.storeWord(words?[index] ?? 0, to: start + index * 8)
    }
  }

  /// Finishes some of the transfers that wait.
  func finishSome() { finish { $0.below(3) > 0 } }

  /// Finishes all transfers that wait.
  func finishAll() { finish { _ in true } }

  private func finish(_ isChosen: (inout SplitMix) -> Bool) {
    let chosen = withState { state -> [(token: UInt64, succeeded: Bool)] in
      var chosen: [Transfer] = []
      for transfer in state.waiting {
        if isChosen(&state.random) {
          chosen.insert(transfer, at: state.random.below(chosen.count + 1))
        }
      }
      let tokens = Set(chosen.map(\.token))
      state.waiting.removeAll { tokens.contains($0.token) }
      return chosen.map { ($0.token, perform($0, &state)) }
    }
    for transfer in chosen { Pager.finish(transfer.token, succeeded: transfer.succeeded) }
  }

  /// The number of transfers that were finished later.
  var laterCount: Int { withState { $0.laterCount } }

  /// The number of transfers to memory that failed.
  var failedReadCount: Int { withState { $0.failedReadCount } }

  /// Sets page `index` to copies of `value`.
  func setPage(_ index: UInt64, to value: UInt64) {
    withState { $0.pages[index * 4096] = Array(repeating: value, count: 512) }
  }

  /// The first word of page `index`.
  func word(_ index: UInt64) -> UInt64 { withState { $0.pages[index * 4096]?.first ?? 0 } }
}
