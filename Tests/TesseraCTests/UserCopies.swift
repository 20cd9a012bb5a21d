import CTessera
import CallFuzz
import TesseraHeader

/// The part of an MMU that copies of user memory take, for a machine that has none: it translates
/// by the tables of one space, and ends where they do not allow the access.
final class UserCopies {
  /// The copies are those of a processor that runs on `space`.
  init(in space: UnsafeMutablePointer<tessera_space>) {
    var observer = simulated_observer(
      context: space, entry_write: { _, _, _, _, _ in }, frame_free: { _, _, _, _ in },
      control: { _, _, _, _, _ in },
      user_copy: { context, _, address, buffer, byteCount, isWrite in
        UserCopies.copy(context, address, buffer, byteCount, isWrite)
      })
    simulated_install_observer(&observer)
  }

  deinit { simulated_install_observer(nil) }

  private static func copy(
    _ space: UnsafeMutableRawPointer?, _ address: UInt64, _ buffer: UnsafeMutableRawPointer,
    _ byteCount: Int, _ isWrite: Bool
  ) -> Int {
    let space = space?.assumingMemoryBound(to: tessera_space.self)
    var done = 0
    while done < byteCount {
      var physical: UInt64 = 0
      var flags: UInt32 = 0
      let place = address + UInt64(done)
      let right = isWrite ? TESSERA_WRITE : TESSERA_READ
      guard Int(tessera_translate(space, place, &physical, &flags)) == TESSERA_OK,
        Int(flags) & right != 0
      else { return done }
      let count = min(byteCount - done, Int(4096 - place & 4095))
      guard
        let memory = UnsafeMutableRawPointer(
          bitPattern: UInt(LoadedMachine.directMap + physical))
      else { return done }
      let (target, source) = isWrite ? (memory, buffer + done) : (buffer + done, memory)
      target.copyMemory(from: source, byteCount: count)
      done += count
    }
    return done
  }
}
