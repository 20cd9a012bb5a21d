import CTessera
import Foundation
import Tessera
import TesseraHeader

/// A store of pages, by functions such as a kernel in C has.
final class CallbackStore {
  /// The contents of the pages that were written, by their offset. Others are zeros.
  private(set) var pages: [UInt64: [UInt8]] = [:]
  /// What the store was told it need not keep.
  private(set) var released: [Range<UInt64>] = []
  /// What the transfers that come next answer.
  var answer = TESSERA_TRANSFER_DONE
  /// The tokens of those that answered that they finish later.
  private(set) var tokens: [UInt64] = []

  /// Describes the store, which must stay.
  var store: tessera_store {
    tessera_store(
      size: UInt64(MemoryLayout<tessera_store>.size),
      context: Unmanaged.passUnretained(self).toOpaque(),
      read: { CallbackStore.at($0).read($1, $2, $3) },
      write: { CallbackStore.at($0).write($1, $2, $3) },
      release: { CallbackStore.at($0).released.append($1..<$1 + $2) })
  }

  private static func at(_ context: UnsafeMutableRawPointer?) -> CallbackStore {
    Unmanaged.fromOpaque(context!).takeUnretainedValue()
  }

  private func read(_ offset: UInt64, _ memory: tessera_frame, _ token: UInt64) -> Int32 {
    let page = pages[offset] ?? [UInt8](repeating: 0, count: 4096)
    unsafe memcpy(PhysicalMemory.pointer(to: PhysicalAddress(memory)), page, 4096)
    return finish(token)
  }

  private func write(_ offset: UInt64, _ memory: tessera_frame, _ token: UInt64) -> Int32 {
    if answer != TESSERA_TRANSFER_FAILED {
      let start = unsafe PhysicalMemory.pointer(to: PhysicalAddress(memory))
      pages[offset] = Array(UnsafeRawBufferPointer(start: start, count: 4096))
    }
    return finish(token)
  }

  private func finish(_ token: UInt64) -> Int32 {
    if answer == TESSERA_TRANSFER_LATER { tokens.append(token) }
    return Int32(answer)
  }

  /// Finishes all transfers that wait.
  func finishAll(succeeded: Bool = true) {
    let waiting = tokens
    tokens = []
    for token in waiting { tessera_transfer_done(token, succeeded) }
  }

  /// Sets page `index` to bytes of `value`.
  func setPage(_ index: UInt64, to value: UInt8) {
    pages[index * 4096] = [UInt8](repeating: value, count: 4096)
  }
}
