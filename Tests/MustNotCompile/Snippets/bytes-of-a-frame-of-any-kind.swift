// error: requires that 'AnyMetadata' conform to 'UntypedContents'
import TesseraFrames

func overwrite(_ frame: borrowing AnyFrame) -> Bool {
  frame.setWord(0, at: 0)  // wrong
  return frame.isUntyped
}
