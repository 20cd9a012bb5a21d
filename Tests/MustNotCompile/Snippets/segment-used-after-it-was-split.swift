// error: 'segment' used after consume
import TesseraFrames

func halve(_ segment: consuming UntypedSegment) -> UInt64 {
  let halves = segment.split(atByte: 4096)
  segment.fill(with: 0)  // wrong
  return halves.high.byteCount
}
