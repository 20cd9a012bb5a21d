internal import TesseraFrames
internal import TesseraHardware
internal import TesseraSpaces

/// A space that a run has.
///
/// Has a `deinit`, though there is nothing for it to do: the compiler cannot destroy an array of
/// what has none but holds a frame.
struct HeldSpace: ~Copyable {
  let space: VmSpace

  init() throws(TesseraError) { space = try VmSpace() }

  init(_ space: consuming VmSpace) { self.space = space }

  deinit {}
}

/// A frame that a run has a handle to. As for `HeldSpace`.
struct HeldFrame: ~Copyable {
  let frame: Frame<PlainMemory>

  init(_ frame: consuming Frame<PlainMemory>) { self.frame = frame }

  deinit {}
}
